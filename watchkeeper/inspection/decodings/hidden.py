"""All decodings of a text, and of what they yield."""

from __future__ import annotations

from collections.abc import Iterator

from watchkeeper.inspection.decodings.blobs import blobs, escapes
from watchkeeper.inspection.decodings.ciphers import ciphers
from watchkeeper.inspection.decodings.invisible import invisibles
from watchkeeper.inspection.decodings.markup import markup, signs
from watchkeeper.inspection.decodings.model import Hidden
from watchkeeper.inspection.decodings.spelling import spellings
from watchkeeper.inspection.views import bare_text

MAX_LAYERS = 3
MAX_FOUND = 24
MAX_TEXT = 64 * 1024
"""Characters that are looked at."""


def hidden_in(text: str) -> list[Hidden]:
    """Every readable text hidden in this one, layer by layer; at most `MAX_FOUND`, each but the text itself."""
    text = text[:MAX_TEXT]
    found: list[Hidden] = []
    seen = {text}
    layer = [Hidden("", 0, len(text), text)]
    for _ in range(MAX_LAYERS):
        inner: list[Hidden] = []
        for outer in layer:
            for one in _once(outer.text):
                if one.text in seen:
                    continue
                seen.add(one.text)
                span = (one.start, one.end) if not outer.how else (outer.start, outer.end)
                inner.append(Hidden(f"{outer.how}+{one.how}" if outer.how else one.how, *span, one.text))
                if len(found) + len(inner) >= MAX_FOUND:
                    return found + inner
        found += inner
        layer = inner
        if not layer:
            break
    return found


def _once(text: str) -> Iterator[Hidden]:
    yield from invisibles(text)
    yield from signs(text)
    plain = bare_text(text)
    yield from blobs(plain)
    yield from escapes(plain)
    yield from ciphers(plain)
    yield from spellings(plain)
    yield from markup(plain)
