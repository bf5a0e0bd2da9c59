"""Fingerprints of what one agent's servers brought in, and the question whether a text carries some of it.

Kept are hashes of pieces of `PIECE` letters, one for every `STEP`; asked about is every piece of the arguments. So a
passage of `SURE` letters is always found, wherever it was cut, and one of fewer than `LEAST` never: five pieces in
their order are wanted before a passage counts. Opaque values (keys) count by a single piece. Identifiers count only in
numbers, and what three servers brought in is common and counts for nothing. Text is never kept: the hashes are keyed
for this process, and nothing can be read from them. In two generations, the older of which is dropped as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchkeeper.gateway.flow.common import is_common
from watchkeeper.gateway.flow.model import Carried, Class
from watchkeeper.gateway.flow.text import Said, decoded, identifiers_in, normal, parts_of

PIECE = 16
STEP = 6
LEAST = PIECE + 4 * STEP
SURE = LEAST + STEP - 1
"""About eight words."""
MOST_OF_ONE = 16_384
"""Pieces kept of one result; of a longer one they lie further apart."""
MOST = 65_536
"""Kept in one generation of an agent."""
MANY = 10
"""So many different identifiers of others in one call are content."""
COMMON = 3
"""Servers that brought in the same."""
_FULL = 65_536
"""Letters of arguments asked about one by one; beyond, in blocks."""
_BLOCK = 48
_MOST_TEXTS = 1_000
"""Decoded texts of one call that are looked at."""
_SECRET, _UNTRUSTED = int(Class.SECRET), int(Class.UNTRUSTED)
_TOKEN = 8
"""Bit of what counts by a single piece."""
_SHIFT = 4
_MOST_SERVERS = 60
_MARKS = b"\"'=:,;&?@()<>[]{}|\t\r\n#"
_SEPARATORS = bytes.maketrans(_MARKS, b" " * len(_MARKS))


class Prints:
    """Of one agent."""

    __slots__ = ("_has_words", "_old", "_servers", "_young", "forgot")

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._servers: list[str] = []
        self._has_words = False
        self.forgot = False
        """Whether a generation was dropped before its time."""

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def age(self, *, by_time: bool) -> None:
        """Drop the older generation. By time that is as promised; for want of room it is remembered."""
        self.forgot = bool(self._old) and not by_time
        self._old, self._young = self._young, {}

    def clear(self) -> None:
        """Drop everything, before its time."""
        self._young, self._old, self.forgot = {}, {}, True

    # what comes in

    def learn(self, server: str, bits: int, strings: Iterable[Said], said_by_agent: bytes = b"") -> None:
        """Keep what a server brought in, but for what the agent had just said itself."""
        if not bits:
            return
        own = frozenset(_pieces(said_by_agent, 1)) if said_by_agent else frozenset()
        bits = int(bits)
        mask, step = 1 << (self._number(server) + _SHIFT), STEP
        for said in strings:
            for text in (said, *(Said(inner, False) for inner in decoded(said.text))):
                step = max(STEP, len(text.text) // MOST_OF_ONE)
                parts = parts_of(text)
                for passage in parts.passages:
                    if len(passage) >= LEAST:
                        self._keep(_pieces(passage, step), mask | bits, own)
                for token in parts.tokens:
                    self._keep(_pieces(token, 2), mask | bits | _TOKEN, own)
                self._keep(map(_whole, parts.identifiers), mask | bits, frozenset())
                if bits & _SECRET:
                    self._has_words = True
                    self._keep(map(_whole, _words(text.text)), mask | bits | _TOKEN, frozenset())

    def _keep(self, pieces: Iterable[int], value: int, own: frozenset[int]) -> None:
        young = self._young
        for piece in pieces:
            if piece not in own:
                young[piece] = young.get(piece, 0) | value
        if len(young) > MOST:
            self.age(by_time=False)

    def _number(self, server: str) -> int:
        if server in self._servers:
            return self._servers.index(server)
        if len(self._servers) < _MOST_SERVERS:
            self._servers.append(server)
        return min(len(self._servers), _MOST_SERVERS) - 1

    # what goes out

    def carried(self, server: str, strings: Sequence[Said], before: tuple[bytes, bytes] = (b"", b"")) -> Carried:
        """What these strings hold of what servers brought in, when they go to `server`; `before` is what earlier calls
        said, and what this one adds to it.
        """
        if not (self._young or self._old):
            return Carried()
        own = 1 << (self._servers.index(server) + _SHIFT) if server in self._servers else 0
        found = _Found(own)
        inner = [text for said in strings for text in decoded(said.text)][:_MOST_TEXTS]
        self._look(b"".join(before), found, len(before[0]))
        self._look(b"".join(normal(said.text) for said in strings), found)
        for text in inner:
            self._look(normal(text), found)
        for text in (*(said.text for said in strings), *inner):
            for identifier in identifiers_in(text):
                found.identifier(self._of(_whole(identifier)), identifier)
            for word in _words(text) if self._has_words else ():
                value = self._of(_whole(word))
                if value & _SECRET and value & _TOKEN:
                    found.add(value)
        for said in strings:
            if said.text and len(said.text) <= 2_048:
                found.identifier(self._of(_whole(said.text)), said.text)
        return found.answer()

    def _of(self, piece: int) -> int:
        return self._young.get(piece, 0) | self._old.get(piece, 0)

    def _look(self, stream: bytes, found: _Found, known: int = 0) -> None:
        """Look for passages in a text, of which so many letters were looked at before."""
        last = len(stream) - PIECE
        starts = _starts(last)
        pieces = [hash(stream[start : start + PIECE]) for start in starts]
        if self._young.keys().isdisjoint(pieces) and self._old.keys().isdisjoint(pieces):
            return
        for start, piece in zip(starts, pieces, strict=True):
            value = self._of(piece)
            if not value:
                continue
            if value & _TOKEN:
                if start + PIECE > known:
                    found.add(value)
            elif known - LEAST < start <= last - 4 * STEP:
                for ahead in range(STEP, 4 * STEP + 1, STEP):
                    value &= self._of(hash(stream[start + ahead : start + ahead + PIECE]))
                if value and not is_common(stream[start : start + LEAST]):
                    found.add(value)


class _Found:
    """What one call holds, as far as it is known."""

    def __init__(self, own: int) -> None:
        self._own = own
        self._carries = 0
        self._returns = 0
        self._names = False
        self._identifiers: dict[bytes, int] = {}

    def add(self, value: int) -> None:
        servers = value >> _SHIFT << _SHIFT
        if servers.bit_count() >= COMMON:
            return
        if servers & self._own:
            self._returns |= value & 7
        elif servers:
            self._carries |= value & 7

    def identifier(self, value: int, text: bytes) -> None:
        if value and not value >> _SHIFT << _SHIFT & self._own:
            self._identifiers[text] = value & 7
            self._names |= bool(value & _UNTRUSTED) and text.startswith((b"http://", b"https://"))

    def answer(self) -> Carried:
        if len(self._identifiers) >= MANY:
            for bits in self._identifiers.values():
                self._carries |= bits
        return Carried(self._carries, self._returns, self._names)


def _starts(last: int) -> Sequence[int]:
    if last <= _FULL:
        return range(last + 1)
    return tuple(start for block in range(0, last + 1, _BLOCK) for start in range(block, min(block + STEP, last + 1)))


def _pieces(text: bytes, step: int) -> Iterable[int]:
    return [hash(text[start : start + PIECE]) for start in range(0, len(text) - PIECE + 1, step)]


def _whole(value: bytes) -> int:
    return hash((b"whole", value))


def _words(text: bytes) -> Iterable[bytes]:
    """Values such as passwords: eight characters or more, letters and digits or signs among them."""
    for word in text.translate(_SEPARATORS).split():
        if 8 <= len(word) <= 256 and not word.isalpha() and not word.isdigit() and any(48 <= b <= 57 for b in word):
            yield word
