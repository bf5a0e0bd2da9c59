"""URIs and the templates they may come from."""

from __future__ import annotations

import pytest

from watchkeeper.gateway.templates import fits


@pytest.mark.parametrize(
    ("uri", "template", "expected"),
    [
        ("note://of/monday", "note://of/{day}", True),
        ("note://of/a/b", "note://of/{day}", False),
        ("note://of/a/b", "note://of/{+path}", True),
        ("note://of/a/b", "note://of/{path*}", True),
        ("note://of/x?a=1", "note://of/x{?a}", True),
        ("note://ofXmonday", "note://of.{day}", False),
        ("note://of/{day}", "note://of/{day", False),
        ("line\nbreak", "line{+x}", True),
    ],
)
def test_a_template_covers_every_uri_it_can_make(uri: str, template: str, expected: bool) -> None:
    assert fits(uri, [template]) is expected
