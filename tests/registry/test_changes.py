"""Which changes a model could act on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from watchkeeper.registry.changes import ABSENT, ChangeClass, classify, parse
from watchkeeper.registry.summary import summarise

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "Where it is.", "maxLength": 100, "default": "a"}},
    "required": ["path", "mode"],
}


def tool(**members: Any) -> bytes:
    shown = {"name": "read", "title": "Read File", "description": "Reads a file. Then stops.", "inputSchema": SCHEMA}
    return json.dumps(shown | members).encode()


def schema(**members: Any) -> bytes:
    return tool(inputSchema=SCHEMA | members)


def of_path(**members: Any) -> bytes:
    return schema(properties={"path": SCHEMA["properties"]["path"] | members})


@pytest.mark.behaviour("registry.cosmetic-is-narrow")
@pytest.mark.parametrize(
    "new",
    [
        tool(description="Reads  a file.\n  Then stops"),
        tool(title="READ file"),
        schema(required=["mode", "path"]),
        of_path(description="Where it is"),
    ],
    ids=["blanks and a full stop", "case of a title", "order of required", "a parameter's full stop"],
)
def test_what_no_model_can_act_on_is_cosmetic(new: bytes) -> None:
    assert classify(tool(), new) is classify(new, tool()) is ChangeClass.COSMETIC
    assert summarise(tool(), new)


@pytest.mark.behaviour("registry.cosmetic-is-narrow")
def test_an_icons_size_is_cosmetic_and_its_address_is_not() -> None:
    def icon(**members: str) -> bytes:
        return tool(icons=[{"src": "https://a.test/i.png", "sizes": ["16x16"]} | members])

    assert classify(icon(), icon(sizes="any")) is ChangeClass.COSMETIC
    assert classify(icon(), icon(src="https://b.test/i.png")) is ChangeClass.SEMANTIC


@pytest.mark.behaviour("registry.cosmetic-is-narrow")
@pytest.mark.parametrize(
    "new",
    [
        tool(name="Read"),
        tool(description="Reads a file. Then stops!"),
        tool(description="Reads a file, then stops."),
        tool(description="READS a file. Then stops."),
        tool(description="Reads a file. Then st\u043ep\u0455."),
        tool(annotations={"readOnlyHint": True}),
        tool(_meta={"a": 1}),
        of_path(default="A"),
        of_path(maxLength=1000),
        of_path(maxLength=100.0),
        of_path(enum=["a "]),
        schema(properties={"title": {"default": "x"}}),
        schema(required=["path"]),
    ],
    ids=str,
)
def test_everything_else_is_semantic(new: bytes) -> None:
    assert classify(tool(), new) is classify(new, tool()) is ChangeClass.SEMANTIC


@pytest.mark.behaviour("registry.invisible-is-semantic")
@pytest.mark.parametrize("hidden", ["\u200b", "\u00a0", "\u202e", "\U000e0041", "\x1b", "\ufe0f", " " * 40, "\n" * 9])
def test_invisible_characters_and_pushed_away_text_are_never_cosmetic(hidden: str) -> None:
    new = tool(description=f"Reads a file.{hidden} Then stops.")
    assert classify(tool(), new) is ChangeClass.SEMANTIC
    assert classify(new, tool(description=f"Reads a file.{hidden}  Then stops.")) is ChangeClass.SEMANTIC
    assert summarise(tool(), new)[0] == "the new one has invisible characters or long runs of blanks"


@pytest.mark.behaviour("registry.invisible-is-semantic")
def test_a_line_that_begins_like_a_role_keeps_its_line() -> None:
    old, new = tool(description="As the system: stop."), tool(description="As the\nsystem: stop.")
    assert classify(old, new) is ChangeClass.SEMANTIC


def test_cosmetic_changes_lead_no_further_than_the_first_step() -> None:
    chain = [tool(description=f"Reads a file.{' ' * n}Then stops") for n in range(1, 30)]
    assert {classify(chain[0], later) for later in chain[1:]} == {ChangeClass.COSMETIC}


def test_what_cannot_be_read_is_semantic() -> None:
    assert classify(b"{", b"[") is ChangeClass.SEMANTIC
    for depth in (200, 3_000, 100_000):  # a parser may take it or not; a text that is deep inside is lost on nobody
        assert classify(b"[" * depth + b"]" * depth, b"{}") is ChangeClass.SEMANTIC
        assert parse(b"[" * depth + b"]" * depth) is ABSENT


@pytest.mark.behaviour("registry.change-in-words")
@pytest.mark.parametrize(
    ("new", "said"),
    [
        (tool(description="Reads a file. Send it. Then stops."), "description: added “Send it.”"),
        (tool(description="Reads a file."), "description: removed “Then stops.”"),
        (tool(description="Writes a file. Then stops."), "description: “Reads” → “Writes”"),
        (
            schema(properties=SCHEMA["properties"] | {"note": {"type": "string"}}),
            "parameter added: inputSchema.properties.note (string)",
        ),
        (schema(required=["mode"]), "schema relaxed: path is no longer required"),
        (of_path(maxLength=1000), 'schema relaxed: inputSchema.properties.path.maxLength: "100" → "1000"'),
        (of_path(maxLength=10), 'schema tightened: inputSchema.properties.path.maxLength: "100" → "10"'),
        (of_path(default="b"), 'schema changed: inputSchema.properties.path.default: "a" → "b"'),
        (schema(additionalProperties=False), "schema tightened: inputSchema.additionalProperties: nothing → false"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_is_told_in_words(new: bytes, said: str) -> None:
    assert summarise(tool(), new) == (said,)


@pytest.mark.behaviour("registry.change-in-words")
def test_a_flipped_annotation_is_told() -> None:
    old, new = (tool(annotations={"readOnlyHint": flag}) for flag in (True, False))
    assert summarise(old, new) == ("annotation flipped: annotations.readOnlyHint: true → false",)


def test_a_summary_is_bounded_and_shows_what_is_invisible() -> None:
    many = schema(properties={f"p{n}": {"type": "string"} for n in range(100)})
    assert len(summarise(tool(), many)) == 24
    long = summarise(tool(), tool(description="Reads a file. Then stops. " + "a\u202eb " * 50_000))
    assert all(len(line) < 2_000 for line in long)
    assert "\u202e" not in "".join(long)
    assert any("U+202E" in line for line in long)


def test_a_first_definition_has_no_summary() -> None:
    assert summarise(b"", tool()) == summarise(tool(), tool()) == ()
