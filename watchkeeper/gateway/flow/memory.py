"""What is remembered of one agent: where it read what class of thing, fingerprints of it, what it wrote, counts.

Kept by principal, whose name holds the tenant, and not by session: an agent has a session with each server, and the
question is what it carries from one server to another; nor could an agent forget by opening another session.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from watchkeeper.gateway.flow.counters import Counters
from watchkeeper.gateway.flow.model import AUTOSTART, NAMES, RUNS_UNTRUSTED, RUNS_WRITTEN, WROTE_AUTOSTART, Class
from watchkeeper.gateway.flow.prints import SURE, Prints
from watchkeeper.gateway.flow.text import normal

BITS = (*(bit for bit, _ in NAMES), WROTE_AUTOSTART)
_MOST_WRITTEN = 512
_MOST_SESSIONS = 64
_MOST_TOOLS = 64
_SHORT = 1_024
"""Letters of a call's arguments that may be one piece of several."""
_QUOTES = bytes.maketrans(b"\"'`;|&()<>,=\r\n\t", b" " * 15)


class Memory:
    """Of one agent."""

    __slots__ = (
        "_read",
        "_sessions",
        "_spoken",
        "_written",
        "asked",
        "counters",
        "principal",
        "prints",
        "prints_since",
    )

    def __init__(self, principal: str, now: int) -> None:
        self.principal = principal
        self.counters = Counters()
        self._sessions: OrderedDict[str, Counters] = OrderedDict()
        self.prints = Prints()
        self.prints_since = now
        self._read: dict[int, dict[str, int]] = {}
        """Class → server → when it last brought such a thing in."""
        self._written: OrderedDict[int, tuple[int, bool]] = OrderedDict()
        self._spoken: OrderedDict[tuple[str, str], tuple[bytes, bytes]] = OrderedDict()
        """Of each tool the last call's text, and the end of what its calls had that the ones before had not."""
        self.asked: object = None
        """A message that a person is asked about: it is judged again then, and counted already."""

    def of_session(self, session: str) -> Counters:
        """The counters of one session; the one that was silent longest is forgotten when there are too many."""
        counters = self._sessions.get(session)
        if counters is None:
            counters = self._sessions[session] = Counters()
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(session)
        return counters

    # classes

    def read(self, server: str, bits: int, now: int, since: int) -> int:
        """A server brought such things in. Returns those of them that were not known to be since then."""
        fresh = 0
        for bit in BITS:
            if bits & bit:
                servers = self._read.setdefault(bit, {})
                if servers.get(server, 0) < since:
                    fresh |= bit
                servers[server] = max(now, servers.get(server, 0))
        return fresh

    def classes_of(self, server: str) -> Class:
        """Everything that this server ever brought in."""
        found = Class.NONE
        for bit, servers in self._read.items():
            found |= Class(bit & 7) if server in servers else Class.NONE
        return found

    def marks(self, server: str, since: int) -> Iterator[str]:
        """The coarse marks for a call of this server, of what was read since then."""
        for bit, name in NAMES:
            servers = [other for other, at in self._read.get(bit, {}).items() if at >= since]
            if servers:
                yield f"{name}_read"
                if servers != [server]:
                    yield f"{name}_read_elsewhere"
        if any(at >= since for at in self._read.get(WROTE_AUTOSTART, {}).values()):
            yield AUTOSTART

    # what was written

    def wrote(self, names: Iterator[bytes], now: int, *, untrusted: bool) -> None:
        """These names may be of things that exist now, with this content."""
        for name in names:
            self._written[hash(name)] = now, untrusted
            self._written.move_to_end(hash(name))
        while len(self._written) > _MOST_WRITTEN:
            self._written.popitem(last=False)

    def runs(self, text: bytes, since: int) -> Iterator[str]:
        """Whether a text names one of them."""
        for word in text.translate(_QUOTES).split() if self._written else ():
            at, untrusted = self._written.get(hash(word), (0, False))
            if at >= since and at:
                yield RUNS_WRITTEN
                if untrusted:
                    yield RUNS_UNTRUSTED

    # what is said piece by piece

    def before(self, place: tuple[str, str], stream: bytes) -> tuple[bytes, bytes]:
        """What the calls of this tool said before, and what this one adds: without what it repeats of the last one."""
        last, tail = self._spoken.get(place, (b"", b""))
        if len(stream) > _SHORT:
            return b"", b""
        start = _alike(last, stream)
        end = len(stream) - _alike(last[start:][::-1], stream[start:][::-1])
        fresh = stream[start:end]
        self._spoken[place] = stream, (tail + fresh)[-4 * SURE :]
        self._spoken.move_to_end(place)
        if len(self._spoken) > _MOST_TOOLS:
            self._spoken.popitem(last=False)
        return (tail, fresh) if last else (b"", b"")


def _alike(one: bytes, other: bytes) -> int:
    """How many letters two texts begin with alike."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def names_in(text: bytes) -> Iterator[bytes]:
    """The path or file name that a short text is, whole and by its last part."""
    if 3 < len(text) <= 512 and b"\n" not in text and (b"/" in text or b"." in text or b"\\" in text):
        yield text
        last = text.replace(b"\\", b"/").rpartition(b"/")[2]
        if len(last) > 3 and b"." in last.strip(b"."):
            yield last


def stream_of(texts: list[bytes]) -> bytes:
    """The strings of a call one after another, in normal form."""
    return b"".join(map(normal, texts))
