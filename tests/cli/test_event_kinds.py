"""`watchkeeper events kinds` as a person and a program read it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main
from watchkeeper.events.kinds import KINDS


@pytest.mark.behaviour("cli.event-kinds")
def test_every_kind_is_listed_with_its_class_and_its_sentence() -> None:
    done = CliRunner().invoke(main, ["events", "kinds"])
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines] == sorted(KINDS)
    (line,) = (line for line in lines if line.startswith("detect.alert.raised"))
    assert "  detection       Detection Finding 2004, Data Security Finding 2006  " in line
    assert line.endswith(f"  {KINDS['detect.alert.raised']}")


@pytest.mark.behaviour("cli.event-kinds")
def test_one_kind_is_shown_with_schema_example_and_ocsf_form() -> None:
    done = CliRunner().invoke(main, ["events", "kinds", "registry.pin.changed", "--json"])
    told = json.loads(done.output)
    assert done.exit_code == 0
    assert told["retention"] == "definition"
    assert [form["type_uid"] for form in told["ocsf"]] == [200401]
    assert told["schema"]["properties"]["kind"] == {"const": "registry.pin.changed"}
    assert told["example"]["body"]["class"] == "semantic"
    assert told["example_ocsf"]["unmapped"]["body"] == told["example"]["body"]
    words = CliRunner().invoke(main, ["events", "kinds", "registry.pin.changed"]).output
    assert "  findings[].rule: string\n" in words
    assert "always sets actor, server, outcome" in words


def test_an_open_body_says_so_and_an_empty_one_too() -> None:
    assert (
        "It may have other members:"
        in CliRunner().invoke(main, ["events", "kinds", "respond.containment.verified"]).output
    )
    assert "Its body is empty." in CliRunner().invoke(main, ["events", "kinds", "admin.service.started"]).output


def test_the_beginning_of_a_kind_lists_those_below_it() -> None:
    done = CliRunner().invoke(main, ["events", "kinds", "gateway.order", "--json"])
    assert [one["kind"] for one in json.loads(done.output)] == [
        "gateway.order.acknowledged", "gateway.order.issued", "gateway.order.lifted"
    ]  # fmt: skip


def test_a_kind_that_is_not_there_gets_a_hint() -> None:
    done = CliRunner().invoke(main, ["events", "kinds", "registry.pin.chnged", "--json"])
    assert done.exit_code == 66
    assert json.loads(done.stderr)["error"]["hint"] == "did you mean registry.pin.changed?"
