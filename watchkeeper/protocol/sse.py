"""Server-sent events as bytes: cut a stream into events without changing one, and read the fields that matter.

Lines end in LF, CR or CRLF, mixed as they please (WHATWG HTML, section 9.2). A boundary that we saw and the client did
not, or the other way round, would be a way past inspection; so the cutting follows that text to the letter.
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Invalid

_BLANK = (b"\n", b"\r\n", b"\r")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_LINES = 50_000
"""Lines of one event; each costs more memory than it has bytes."""


class TooLong(Invalid):
    """One event is longer than we hold in memory."""

    code = "event_too_long"


class Fields(msgspec.Struct, frozen=True):
    """What an event says."""

    data: bytes
    id: bytes | None
    """None when the event has no `id` field."""
    event: bytes


class Splitter:
    """Feed chunks as they come; get whole events, raw, each with its blank line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._more = bytearray()
        """What follows in the line that `rest` begins; joined when it ends, not once for each chunk."""
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that `chunk` completes. Raises `TooLong`."""
        if not self._ends_a_line(chunk):
            self._more += chunk
            self._size += len(chunk)
            if self._size + len(self._rest) > self._limit:
                raise TooLong("the server sent an event that is too long")
            return []
        lines = self._joined(chunk).splitlines(keepends=True)
        if lines and self._is_open(lines[-1]):
            self._rest = lines.pop()
        events: list[bytes] = []
        for line in lines:
            self._lines.append(line)
            self._size += len(line)
            if self._size > self._limit or len(self._lines) > MAX_LINES:
                raise TooLong("the server sent an event that is too long")
            if line in _BLANK:
                events.append(b"".join(self._lines))
                self._lines.clear()
                self._size = 0
        if self._size + len(self._rest) > self._limit:
            raise TooLong("the server sent an event that is too long")
        return events

    def flush(self) -> bytes:
        """What is left when the stream has ended: an event without its blank line, or nothing."""
        left = b"".join(self._lines) + self._joined(b"")
        self._lines.clear()
        return left

    def _ends_a_line(self, chunk: bytes) -> bool:
        return b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r")

    def _joined(self, chunk: bytes) -> bytes:
        """The open line and what came of it, which are forgotten here."""
        if not self._more:
            whole = self._rest + chunk
        else:
            whole = b"".join((self._rest, self._more, chunk))
            self._size -= len(self._more)
            self._more.clear()
        self._rest = b""
        return whole

    @staticmethod
    def _is_open(line: bytes) -> bool:
        """Whether more of this line may come; after a CR it may be its LF, which only matters if the line has text."""
        return not line.endswith(b"\n") and line != b"\r"


def read_fields(event: bytes) -> Fields:
    """The fields of a raw event; comments, `retry` and unknown fields are passed over."""
    data: list[bytes] = []
    last_id: bytes | None = None
    name = b""
    for line in event.removeprefix(BYTE_ORDER_MARK).splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"id" and b"\0" not in value:
            last_id = value
        elif field == b"event":
            name = value
    return Fields(b"\n".join(data), last_id, name)


def without_odd_breaks(event: bytes) -> bytes:
    """The event such that a client which ends lines elsewhere, too, sees the same one.

    Some end them wherever Unicode has a line break (U+0085, U+2028, a form feed …), and would find fields of a server's
    choice inside what is one line by the book. In data, which is JSON, these are escaped; other such lines go.
    """
    if len(event.decode(errors="replace").splitlines()) == len(event.splitlines()):
        return event
    return b"".join(_plain(line) for line in event.splitlines(keepends=True))


def _plain(line: bytes) -> bytes:
    if len(line.decode(errors="replace").splitlines()) == 1:
        return line
    if not line.startswith(b"data:"):
        return b""
    for code in (0x85, 0x2028, 0x2029):
        line = line.replace(chr(code).encode(), b"\\u%04x" % code)
    return line


def placeholder(fields: Fields) -> bytes:
    """What stands for a withheld event: its id alone, so that resuming finds no gap; nothing if it had none."""
    return b"" if fields.id is None else b"id: " + fields.id + b"\n\n"


def event_with(fields: Fields, data: bytes) -> bytes:
    """An event of ours in the place of a received one: same id, same name, other data (one line of JSON)."""
    parts = [b"id: " + fields.id + b"\n"] if fields.id is not None else []
    if fields.event:
        parts.append(b"event: " + fields.event + b"\n")
    return b"".join((*parts, b"data: ", data, b"\n\n"))
