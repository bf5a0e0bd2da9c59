"""Diffs that a person approves by must hide nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from watchkeeper.inspection.fingerprints import canonical
from watchkeeper.registry.diff import pretty, unified, visible


def shown(description: str) -> bytes:
    return canonical(msgspec.json.encode({"name": "read", "description": description}))


@pytest.mark.behaviour("registry.diff-hides-nothing")
def test_invisible_and_bidirectional_characters_are_written_out() -> None:
    diff = unified(shown("Reads a file"), shown("Reads a\u200b file\u202e\U000e0041"), before="pinned", after="seen")
    assert diff == snapshot("""\
--- pinned
+++ seen
@@ -1,4 +1,4 @@
 {
-  "description": "Reads a file",
+  "description": "Reads a\\u{200b} file\\u{202e}\\u{e0041}",
   "name": "read"
 }\
""")


@pytest.mark.behaviour("registry.diff-hides-nothing")
def test_line_breaks_in_a_text_do_not_forge_lines_of_the_diff() -> None:
    diff = unified(shown("one\ntwo"), shown("one\n+++ seen\n-two"), before="pinned", after="seen")
    assert diff == snapshot("""\
--- pinned
+++ seen
@@ -1,5 +1,6 @@
 {
   "description": "one\\n
-      two",
+      +++ seen\\n
+      -two",
   "name": "read"
 }\
""")


@settings(deadline=None)
@given(st.text())
def test_nothing_a_server_writes_stays_invisible(text: str) -> None:
    assert all(c.isprintable() for c in visible(text) if c != "\n")


@settings(deadline=None)
@given(st.text(), st.text())
def test_two_texts_that_differ_have_a_diff(one: str, two: str) -> None:
    assert (unified(shown(one), shown(two), before="a", after="b") == "") == (one == two)


def test_numbers_that_only_look_different_still_have_a_diff() -> None:
    assert unified(b'{"n":1.0}', b'{"n":1.00}', before="a", after="b")


def test_a_definition_beyond_what_can_be_read_is_shown_raw() -> None:
    number = b"9" * 5_000
    assert pretty(b'{"n":' + number + b"}") == '{"n":' + number.decode() + "}"
