from __future__ import annotations

import msgspec
import pytest

from watchkeeper.gateway.redaction.fitness import fits, structured_in


@pytest.mark.parametrize(
    ("schema", "content", "expected"),
    [
        ({"type": "object"}, {"a": "x"}, True),
        ({"type": "object", "properties": {"a": {"pattern": "^x"}}}, {"a": "y"}, False),
        ({"type": "object", "properties": {"a": {"maxLength": 3}}}, {"a": "[[email:aaaaaaaaaaaa]]"}, False),
        ({"type": "object", "properties": {"a": {"format": "email"}}}, {"a": "[[email:aaaaaaaaaaaa]]"}, False),
        ({"type": "object", "$ref": "#/$defs/none"}, {"a": "x"}, False),
        ({"$ref": "https://elsewhere.test/s"}, {"a": "x"}, False),
        (["no schema"], {"a": "x"}, False),
    ],
)
def test_what_a_schema_says_of_content(schema: object, content: object, expected: bool) -> None:
    assert fits(msgspec.json.encode(schema), msgspec.json.encode(content)) is expected


def test_what_takes_too_much_work_does_not_fit() -> None:
    assert not fits(b'{"type":"array"}', msgspec.json.encode([0] * 200_000))


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"structuredContent": {"a": 1}}, b'{"a":1}'),
        ({"taskId": "t", "result": {"structuredContent": {"a": 1}}}, b'{"a":1}'),
        ({"content": []}, b""),
        ([1], b""),
    ],
)
def test_structured_content_is_found_in_a_result_and_in_a_tasks_result(part: object, found: bytes) -> None:
    assert structured_in(msgspec.json.encode(part)) == found
