"""A value a line: what block lists are. `#` begins a comment; lines as in `/etc/hosts` are read too."""

from __future__ import annotations

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.model import Draft, Read
from watchkeeper.detect.intelligence.values import guess

_NOWHERE = frozenset({"0.0.0.0", "127.0.0.1", "::1", "::"})  # noqa: S104 — what a hosts file blocks with
_LONGEST = 4096


def read(data: bytes, most: int) -> Read:
    """The indicators of a list. Raises `Invalid` when there are too many."""
    found = Read()
    drafts = found.drafts
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        words = line.split() if len(line) < _LONGEST and "#" not in line else line[:_LONGEST].partition(" #")[0].split()
        if not words or words[0][:1] in "#;!":
            continue
        if len(drafts) >= most:
            raise Invalid(f"the file has more than {most} lines; that many are read at once")
        value = words[1] if len(words) > 1 and words[0] in _NOWHERE else words[0]
        try:
            kind, normal = guess(value)
            drafts.append(Draft(type=kind, value=normal))
        except Invalid as error:
            found.refuse(f"line {number}", error.reason)
    return found
