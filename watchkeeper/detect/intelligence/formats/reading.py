"""Which format a file is in, and reading it. The public door of this package."""

from __future__ import annotations

from collections.abc import Mapping

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.formats import misp, plain, stix, table
from watchkeeper.detect.intelligence.model import Read

FORMATS = {
    "stix": "STIX 2.1: a bundle, an envelope of TAXII, an array of objects",
    "misp": "MISP: an event or several; a warning list, which is allowed instead",
    "csv": "a table with a header; columns by their usual names, or as --map says",
    "list": "a value a line",
}
"""Format → what it is."""
MOST = 2_000_000


def read(data: bytes, format: str = "", columns: Mapping[str, str] | None = None, *, most: int = MOST) -> Read:
    """What stands there. Raises `Invalid` when it cannot be read as that format at all."""
    chosen = format or guess_format(data)
    if chosen == "stix":
        return stix.read(data, most)
    if chosen == "misp":
        return misp.read(data, most)
    if chosen == "csv":
        return table.read(data, most, columns or {})
    if chosen == "list":
        return plain.read(data, most)
    raise Invalid(f"there is no format {chosen}", hint=f"one of {', '.join(FORMATS)}")


def guess_format(data: bytes) -> str:
    """By how it begins. JSON is MISP where its words are there, else STIX."""
    head = data[:65_536].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        is_misp = any(word in head for word in (b'"Attribute"', b'"Event"', b'"matching_attributes"')) or (
            b'"list"' in head and b'"objects"' not in head
        )
        return "misp" if is_misp else "stix"
    lines = [line for line in head.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    first = lines[0] if lines else b""
    return "csv" if b"," in first or b";" in first else "list"
