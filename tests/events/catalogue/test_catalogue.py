"""Every kind has all that the catalogue promises, and both judges of a body say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import recorded
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import NotFound
from watchkeeper.events import Event, Journal, decode, encode, new_event
from watchkeeper.events.catalogue import ENTRIES, example_of, examples, misfit, problems, schema_of
from watchkeeper.events.catalogue.fields import lines_of
from watchkeeper.events.catalogue.fits import UNKNOWN
from watchkeeper.events.catalogue.kind import MEMBERS, Open
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf.mapping import MEANINGS

HOW = (
    "a new kind needs a sentence in events/kinds.py, an entry with the struct of its body in a room of "
    "events/catalogue/bodies/, an example in content/events/, a line in events/ocsf/mapping.py, and a class in "
    "events/retention.py if its domain has none"
)


@pytest.mark.behaviour("events.catalogue-complete")
def test_every_kind_has_an_entry_and_an_example_and_nothing_else_has() -> None:
    assert sorted(set(KINDS) ^ set(ENTRIES)) == [], HOW
    assert sorted(set(KINDS) ^ set(examples())) == [], HOW
    assert sorted(set(KINDS) ^ set(MEANINGS)) == [], HOW


@pytest.mark.behaviour("events.catalogue-complete")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_example_is_what_its_schema_says_and_sets_what_its_entry_says(kind: str) -> None:
    entry, example = ENTRIES[kind], example_of(kind)
    assert problems(example) == []
    assert misfit(example) == ""
    assert decode(encode(example)) == example
    assert {member for member in MEMBERS if getattr(example, member)} <= {*entry.sets, *entry.may}
    assert ("outcome" in {*entry.sets, *entry.may}) == bool(entry.outcomes)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_schema_is_one_and_has_a_sentence_for_every_member(kind: str) -> None:
    jsonschema_rs.meta.validate(schema_of(kind))
    assert [line.path for line in lines_of(kind) if not line.sentence.endswith((".", "…"))] == []


def test_only_an_open_body_takes_other_members_and_says_why() -> None:
    assert {kind for kind, entry in ENTRIES.items() if entry.open} == {
        kind for kind, entry in ENTRIES.items() if issubclass(entry.body, Open)
    }


def test_an_example_is_no_older_than_the_words_of_its_file() -> None:
    """The files hold one event a kind: the second one would silently win."""
    kinds = [
        event.kind
        for path in content_folder("events").glob("*.json")
        for event in msgspec.json.decode(path.read_bytes(), type=list[Event])
    ]
    assert sorted(kinds) == sorted(set(kinds))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "missing required field"),
        ({"generation": "3"}, "Expected `int`"),
        ({"generation": -1}, ">= 0"),
        ({"generation": 3, "more": 1}, "unknown field"),
    ],
)
@pytest.mark.behaviour("events.schema-refuses")
def test_a_body_that_lacks_something_or_has_too_much_does_not_fit(body: dict[str, Any], told: str) -> None:
    event = new_event(1, "gateway.order.acknowledged", actor="system:gateway", target="1", outcome="success", body=body)
    assert told in misfit(event)
    assert len(problems(event)) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"actor": ""}, "actor"),
        ({"outcome": "allow"}, "outcome"),
        ({"claimed": "x"}, "claimed"),
        ({"labels": ("mine",)}, "labels"),
        ({"id": "1"}, "id"),
    ],
)
@pytest.mark.behaviour("events.schema-refuses")
def test_an_event_that_sets_other_members_than_its_kind_does_not_fit(changes: dict[str, Any], told: str) -> None:
    event = msgspec.structs.replace(example_of("gateway.order.acknowledged"), **changes)
    (problem,) = problems(event)
    assert told in problem


def test_a_kind_that_nobody_knows_fits_nothing() -> None:
    event = new_event(1, "govern.control.tested")
    assert misfit(event) == UNKNOWN
    with pytest.raises(NotFound):
        problems(event)


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, -1.5]) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data())
@hypothesis_settings(max_examples=200)
@pytest.mark.behaviour("events.both-judges-agree")
def test_the_quick_judge_says_of_a_body_what_the_schema_says(data: st.DataObject) -> None:
    """The schema is what others read, the quick judge what we ask: they must never differ."""
    example = example_of(data.draw(st.sampled_from(sorted(KINDS))))
    body = dict(example.body)
    known = [line.path for line in lines_of(example.kind) if "." not in line.path and "[" not in line.path]
    for member in data.draw(st.lists(st.sampled_from([*known, "other"]), min_size=1, max_size=2)):
        if data.draw(st.booleans()):
            body.pop(member, None)
        else:
            body[member] = data.draw(_ODD)
    event = msgspec.structs.replace(example, body=body)
    assert bool(misfit(event)) == bool(problems(event)), body


@pytest.mark.behaviour("events.recorded-as-the-catalogue-says")
def test_a_line_of_the_product_that_records_something_else_fails_its_test(tmp_path: Path) -> None:
    """The watch over every test's journals, shown a lie: it must notice, and leave a test's own events alone."""
    lie = new_event(1, "gateway.order.acknowledged", actor="system:gateway", target="1", outcome="success")
    journal = Journal.open(tmp_path, "gateway")
    journal.append(lie)
    assert recorded.misfits == []
    product = compile("journal.append(lie)", "/somewhere/watchkeeper/gateway/control.py", "exec")
    exec(product, {"journal": journal, "lie": lie})
    journal.close()
    noticed, recorded.misfits[:] = list(recorded.misfits), []
    assert len(noticed) == 1
    assert "generation" in noticed[0] or "body" in noticed[0]


def test_every_struct_of_a_body_has_words() -> None:
    for entry in ENTRIES.values():
        assert entry.body.__doc__
        for hint in get_type_hints(entry.body, include_extras=True).values():
            assert get_args(hint)
