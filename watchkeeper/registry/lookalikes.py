"""Names of other servers that a reader or a model could take for this one. Pure; who came later imitates.

Three likenesses, the strongest first: the same name; the same skeleton (letters that look alike, case, accents and
separators aside: `read_file`, `readFile`, and one with a Cyrillic letter); one slip of the pen between skeletons of
some length (`send_email`, `sned_email`), a plural or another digit not counted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import msgspec

LOOKALIKE = "lookalike"
"""Label of a name that looks like another server's older one."""
SAME_NAME = "same_name"
"""Label of a name that another server had first."""
_SHORTEST = 6
_LONGEST = 64
"""Names between these lengths are compared for slips."""
_MOST = 50_000
"""Names that are compared for slips in all."""
_ALIKE = {
    "a": "\u0430\u03b1@",
    "b": "\u0432",
    "c": "\u0441",
    "d": "\u0501",
    "e": "\u0435\u03b53",
    "h": "\u04bb\u043d",
    "j": "\u0458",
    "k": "\u043a\u03ba",
    "l": "\u0456\u0131\u03b9\u2113i1|",
    "m": "\u043c",
    "n": "\u03b7",
    "o": "\u043e\u03bf0",
    "p": "\u0440\u03c1",
    "q": "\u051b",
    "s": "\u04555$",
    "t": "\u0442\u03c4",
    "u": "\u03c5",
    "v": "\u03bd",
    "w": "\u051d",
    "x": "\u0445\u03c7",
    "y": "\u0443",
}
_TWINS = {ord(twin): letter for letter, twins in _ALIKE.items() for twin in twins}
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


class Likeness(msgspec.Struct, frozen=True):
    """Another server's older name, and how it is like this one."""

    server: str
    name: str
    how: str
    """`same`, `skeleton` or `slip`."""

    @property
    def label(self) -> str:
        return SAME_NAME if self.how == "same" else LOOKALIKE


class Names:
    """Every name of one kind, of every server."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], int] = {}
        self._skeletons: dict[str, set[tuple[str, str]]] = {}
        self._stumps: dict[str, set[tuple[str, str]]] = {}

    def add(self, server: str, name: str, first_seen: int) -> None:
        """A server has this name since then."""
        key = (server, name)
        if key in self._first:
            return
        look = skeleton(name)
        if _SHORTEST <= len(look) <= _LONGEST and len(self._first) < _MOST:
            for stump in _stumps(look):
                self._stumps.setdefault(stump, set()).add(key)
        self._first[key] = first_seen
        self._skeletons.setdefault(look, set()).add(key)

    def like(self, server: str, name: str, first_seen: int) -> Likeness | None:
        """The strongest likeness to an older name of another server, of these the oldest; None without any."""
        look = skeleton(name)
        alike = self._older(self._skeletons.get(look, set()), server, name, first_seen)
        if alike:
            same = [key for key in alike if key[1] == name]
            return Likeness(*(same or alike)[0], "same" if same else "skeleton")
        if not _SHORTEST <= len(look) <= _LONGEST:
            return None
        near = {key for stump in _stumps(look) for key in self._stumps.get(stump, ())}
        slips = [key for key in self._older(near, server, name, first_seen) if is_slip(look, skeleton(key[1]))]
        return Likeness(*slips[0], "slip") if slips else None

    def _older(self, keys: set[tuple[str, str]], server: str, name: str, since: int) -> list[tuple[str, str]]:
        mine = (since, server, name)
        found = sorted((self._first[key], *key) for key in keys if key[0] != server)
        return [(of, called) for at, of, called in found if (at, of, called) < mine]


def skeleton(name: str) -> str:
    """What a name looks like at a glance."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in plain.translate(_TWINS) if c.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters or plain


def is_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few, wrong or swapped with its neighbour tells them apart."""
    if len(one) > len(other):
        one, other = other, one
    if one == other or len(other) - len(one) > 1 or other == one + "s":
        return False
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :] and not other[at].isdigit()
    if one[at + 1 :] == other[at + 1 :]:
        return not (one[at].isdigit() or other[at].isdigit())
    return one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]


def _stumps(look: str) -> Iterator[str]:
    """The skeleton, and what is left without any one letter: two that are a slip apart have one in common."""
    yield look
    for at in range(len(look)):
        yield look[:at] + look[at + 1 :]
