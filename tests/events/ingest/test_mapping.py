"""Mapping files: what they mean, and how their faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.formats.mapping import read_mapping
from watchkeeper.events.ingest.model import Malformed

GOOD = """
title: Calls of our own broker
when: {event: [tool_call]}
fields:
  time: {path: ts, form: epoch_ms}
  who: user.id | user.name
  target: tool
  server: {path: backend, value: broker}
  outcome: {path: result, values: {ok: success, blocked: deny}, value: failure}
  duration_us: {path: took, form: ms}
  arguments: args
tests:
  - line: {event: tool_call, ts: 1751561794379, user: {name: ada}, tool: echo, result: blocked, took: 2.5, args: {a: 1}}
    gives: {time: 1751561794379000, who: ada, target: echo, server: broker, outcome: deny, duration_us: 2500,
            arguments: '{"a":1}', name: tools/call}
  - line: {event: login}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mapping.yaml"
    path.write_text(text)
    return path


@pytest.mark.behaviour("ingest.mapping")
def test_a_mapping_reads_lines_and_carries_its_tests(tmp_path: Path) -> None:
    reader = read_mapping(written(tmp_path, GOOD))
    (found,) = reader.read(b'{"event":"tool_call","ts":1751561794379,"tool":"x","result":"odd","other":[1]}')
    assert (found.target, found.outcome, found.more) == ("x", "failure", {"event": "tool_call", "other": [1]})
    with pytest.raises(Malformed):
        reader.read(b'{"event":"tool_call","ts":"soon"}')


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("fields: [", "no YAML"),
        ("title: x", "fields"),
        ("title: x\nfields: {colour: red}", "there is no such member"),
        ("title: x\nfields: {target: 'a..b'}", "not a path"),
        ("title: x\nfields: {time: {path: t, form: lunar}}", "lunar"),
        ("title: x\nfields: {target: t}\nsurprise: 1", "surprise"),
        ("title: x\nfields: {target: t}\ntests: [{line: {t: a}, gives: {target: b}}]", "target is 'a', expected 'b'"),
        ("title: x\nwhen: {k: [v]}\nfields: {target: t}\ntests: [{line: {t: a}, gives: {target: a}}]", "passed over"),
        ("title: x\nfields: {time: t}\ntests: [{line: {t: never}, gives: {time: 1}}]", "refused"),
    ],
)
def test_a_fault_is_told_before_anything_is_taken_in(tmp_path: Path, broken: str, told: str) -> None:
    with pytest.raises(Invalid) as error:
        read_mapping(written(tmp_path, broken))
    assert told in error.value.reason
    assert error.value.hint


def test_a_mapping_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot read"):
        read_mapping(tmp_path / "none.yaml")


@pytest.mark.behaviour("ingest.mapping")
def test_the_guides_mapping_is_one(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "ingest.md").read_text(encoding="utf-8")
    reader = read_mapping(written(tmp_path, guide.split("```yaml\n")[1].split("```")[0]))
    assert reader.read(b'{"event":"login"}') == ()
