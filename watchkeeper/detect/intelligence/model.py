"""An indicator, where it came from, and what was not taken of a file and why. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

LONGEST_VALUE = 2048
LONGEST_TEXT = 300
_EXAMPLES = 3
_MOST_EXAMPLES = 60


class Type(StrEnum):
    """What an indicator is about; each can be seen in an event."""

    IP = "ip"
    NETWORK = "network"
    DOMAIN = "domain"
    URL = "url"
    EMAIL = "email"
    HASH = "hash"
    """MD5, SHA-1, SHA-256 or SHA-512, by its length."""
    PACKAGE = "package"
    """`npm/name`, `pypi/name@1.2`, `*/name` for any ecosystem."""
    DEFINITION = "definition"
    """The fingerprint of a tool, prompt or resource as it is pinned: `sha256:…`."""
    SERVER = "server"
    """The name of an MCP server."""


class Tlp(StrEnum):
    """How far a thing may be passed on (TLP 2.0), from anybody to nobody."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    AMBER_STRICT = "amber+strict"
    RED = "red"


TLP_ORDER = tuple(Tlp)


class Term(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A further condition of an indicator that is more than one value: something else of the same event."""

    type: Type
    operator: str
    """`=`, `LIKE`, `MATCHES` or `SUBSET`."""
    value: str
    negated: bool = False


class Indicator(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One value that one source says is bad."""

    type: Type
    value: str
    """In the form of `values`, so that the same thing is always the same text."""
    id: str
    """The source's own id; derived from source and value where it has none."""
    source: str
    confidence: int
    """0 to 100, as the source says, else as the source's settings say."""
    valid_from: int
    """Microseconds; 0 for always."""
    valid_until: int
    """Microseconds, by the source or by the default life of its type; 0 for ever."""
    modified: int
    tlp: Tlp
    title: str = ""
    tags: tuple[str, ...] = ()
    revoked: bool = False
    also: tuple[Term, ...] = ()
    """What else the same event must show."""
    trust: int = 100
    """The source's, in per cent."""
    added: int = 0
    """When it first came here."""
    confirmed: int = 0
    """Since when a person of ours stands for it: it may be shared as our own; 0 for not."""

    @property
    def key(self) -> str:
        """What it is looked up by."""
        return key_of(self.type, self.value)

    @property
    def weight(self) -> int:
        """Confidence as far as the source is trusted."""
        return self.confidence * self.trust // 100

    def is_valid(self, time: int, *, from_start: bool = True) -> bool:
        """Whether it held at that time; without `from_start`, also before it was known."""
        return (
            not self.revoked
            and (not self.valid_until or time < self.valid_until)
            and (not from_start or time >= self.valid_from)
        )


_LETTERS = {
    "ip": "i",
    "network": "n",
    "domain": "d",
    "url": "u",
    "email": "e",
    "hash": "h",
    "package": "p",
    "definition": "f",
    "server": "s",
}
TYPE_OF = {letter: Type(name) for name, letter in _LETTERS.items()}


def key_of(kind: Type, value: str) -> str:
    """Type and value as one text, the same for indicators and for what is seen."""
    return f"{_LETTERS[kind._value_]}:{value}"  # hashing an enum's member costs more than all the rest


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An indicator as a format read it, before the source's settings fill in what it does not say."""

    type: Type
    value: str
    id: str = ""
    confidence: int | None = None
    valid_from: int = 0
    valid_until: int = 0
    modified: int = 0
    tlp: Tlp | None = None
    title: str = ""
    tags: tuple[str, ...] = ()
    revoked: bool = False
    also: tuple[Term, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Something of a file that was not taken."""

    at: str
    """Where: a line, an object's id."""
    why: str
    """A short sentence, the same for the same fault, so that it can be counted."""


class Read(msgspec.Struct, kw_only=True):
    """What a format made of a file."""

    drafts: list[Draft] = []
    why: dict[str, int] = {}
    """Reason → how many were refused for it."""
    examples: list[Refused] = []
    """Some of what was refused."""
    allowed: list[tuple[str, str]] = []
    """Values that the file says are harmless (MISP's warning lists), as type and value."""
    ignored: int = 0
    """Objects that are no indicators, and were not meant to be."""
    left_out: int = 0
    """Branches of patterns that no event can show."""

    def refuse(self, at: str, why: str) -> None:
        """Count it, and keep it as an example of its reason."""
        self.why[why] = self.why.get(why, 0) + 1
        if self.why[why] <= _EXAMPLES and len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(Refused(at[:LONGEST_TEXT], why))

    @property
    def refused(self) -> int:
        """How many were not taken."""
        return sum(self.why.values())
