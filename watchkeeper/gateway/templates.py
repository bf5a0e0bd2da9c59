"""Whether a URI could come from a URI template (RFC 6570): rather too wide than too narrow. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import re2

_RESERVED = "+#/?&;."


def fits(uri: str, templates: Iterable[str]) -> bool:
    """Whether one of these templates could make this URI."""
    return any(re2.compile(_pattern(template)).fullmatch(uri) for template in templates)


def _pattern(template: str) -> str:
    """A template as a pattern that no URI of it escapes."""
    parts: list[str] = []
    rest = template
    while rest:
        literal, brace, rest = rest.partition("{")
        parts.append(re2.escape(literal))
        expression, closed, rest = rest.partition("}")
        if brace and closed:
            is_wide = expression[:1] in _RESERVED or "*" in expression
            parts.append(".*" if is_wide else "[^/]*")
    return "(?s)" + "".join(parts)
