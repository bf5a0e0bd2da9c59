"""What a person says of a playbook's inputs: typed, bounded, and nothing that was not asked for."""

from __future__ import annotations

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.respond.inputs import LONGEST, given_inputs
from watchkeeper.respond.playbook import Input

KNOWN = {
    "version": Input("text", '""', ask="a version"),
    "count": Input("number", "1", ask="a count"),
    "all": Input("truth", "true", ask="whether"),
    "names": Input("list", "[]", ask="names"),
    "at": Input("time", "0", ask="when"),
    "server": Input("text", "incident.server"),
}


@pytest.mark.behaviour("playbooks.inputs")
def test_each_input_has_the_type_that_its_playbook_says() -> None:
    said = {"version": " 1.4 ", "count": "2.5", "all": "false", "names": "a, b,", "at": "2026-11-26T07:00:00Z"}
    assert given_inputs(KNOWN, said) == {
        "version": "1.4",
        "count": 2.5,
        "all": False,
        "names": ["a", "b"],
        "at": 1_795_676_400_000_000,
    }


@pytest.mark.behaviour("playbooks.inputs")
@pytest.mark.parametrize(
    ("name", "said"),
    [("server", "files"), ("other", "x"), ("version", ""), ("version", "a\nb"), ("version", "x" * (LONGEST + 1)),
     ("count", "many"), ("count", "nan"), ("count", "inf"), ("all", "yes"), ("at", "soon"), ("version", "\x1b[2J")],
)  # fmt: skip
def test_what_was_not_asked_for_or_is_of_another_type_is_refused(name: str, said: str) -> None:
    with pytest.raises(Invalid):
        given_inputs(KNOWN, {name: said})
