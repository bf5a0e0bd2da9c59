"""Answers no server should send, one named flaw each: what a hostile server could say to a client past the gateway."""

# ruff: noqa: E501 — a row of data is read most easily as one line

from __future__ import annotations

from dataclasses import dataclass

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'
POISON = b'{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"poison"}]}}'
LENGTH = b"Content-Length: %d\r\n" % len(RESULT)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + LENGTH + b"\r\n" + RESULT
SMUGGLED = HEAD + b"Content-Length: %d\r\n\r\n" % len(POISON) + POISON
"""An answer to the next call, which nobody has made yet."""
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SIZE = b"%x\r\n" % len(RESULT)
WHOLE = SIZE + RESULT + b"\r\n0\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + CHUNKED + b"\r\n"
FAILED = 502


@dataclass(frozen=True)
class Item:
    """One flawed answer."""

    flaw: str
    data: bytes
    status: int = FAILED
    """What the client is told; 200 when it gets the one judged answer, and nothing of what is odd."""
    closes: bool = False
    """Whether the server closes behind it."""


def with_header(line: bytes) -> bytes:
    """A flawless answer with one more header line."""
    return HEAD + line + b"\r\n" + LENGTH + b"\r\n" + RESULT


def chunk(data: bytes) -> bytes:
    """`data` as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def streamed(*events: bytes) -> bytes:
    """A stream of these events."""
    return EVENTS + b"".join(map(chunk, events)) + b"0\r\n\r\n"


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ITEMS = (
    Item("a second answer behind it", GOOD + SMUGGLED, 200),
    Item("rubbish behind it", GOOD + b"RUBBISH", 200),
    Item("half a second answer behind it", GOOD + SMUGGLED[:-9], 200),
    Item("a second answer behind one without a body", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n" + SMUGGLED, 202),
    Item("a second answer behind 204", b"HTTP/1.1 204 No Content\r\n\r\n" + SMUGGLED, 204),
    Item("a length on 204, and a second answer as its body", b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\n" + SMUGGLED, 204),
    Item("a second answer behind the last chunk", HEAD + CHUNKED + b"\r\n" + WHOLE + SMUGGLED, 200),
    Item("two lengths", HEAD + b"Content-Length: 0\r\n" + LENGTH + b"\r\n" + RESULT + SMUGGLED),
    Item("the same length twice", HEAD + LENGTH + LENGTH + b"\r\n" + RESULT),
    Item("a list of lengths", HEAD + b"Content-Length: 0, %d\r\n\r\n" % len(RESULT) + RESULT),
    Item("a negative length", HEAD + b"Content-Length: -1\r\n\r\n" + RESULT),
    Item("a signed length", HEAD + b"Content-Length: +%d\r\n\r\n" % len(RESULT) + RESULT),
    Item("a hexadecimal length", HEAD + b"Content-Length: 0x%x\r\n\r\n" % len(RESULT) + RESULT),
    Item("a length beyond 64 bits", HEAD + b"Content-Length: %d\r\n\r\n" % (2**64 + len(RESULT)) + RESULT),
    Item("a length and chunked", HEAD + LENGTH + CHUNKED + b"\r\n" + WHOLE),
    Item("chunked and a length", HEAD + CHUNKED + LENGTH + b"\r\n" + WHOLE),
    Item("chunked twice", HEAD + CHUNKED + CHUNKED + b"\r\n" + WHOLE),
    Item("chunked, then identity", HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + WHOLE, closes=True),
    Item("gzip, then chunked", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + WHOLE),
    Item("a coding nobody knows", HEAD + b"Transfer-Encoding: x\r\n\r\n" + WHOLE, closes=True),
    Item("chunked over HTTP/1.0", HEAD.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + WHOLE, closes=True),
    Item("a space before the colon of chunked", HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + WHOLE),
    Item("a bad chunk size", HEAD + CHUNKED + b"\r\nxyz\r\n" + RESULT),
    Item("a signed chunk size", HEAD + CHUNKED + b"\r\n+" + WHOLE),
    Item("a chunk size of 0x", HEAD + CHUNKED + b"\r\n0x" + WHOLE),
    Item("a chunk without its end", HEAD + CHUNKED + b"\r\n" + SIZE + RESULT + b"0\r\n\r\n"),
    Item("chunks with bare LF", HEAD + CHUNKED + b"\r\n" + WHOLE.replace(b"\r\n", b"\n")),
    Item("a chunk size beyond 64 bits", HEAD + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\n" + RESULT),
    Item("a chunk extension with a bare LF", HEAD + CHUNKED + b"\r\n%x;a\nb\r\n" % len(RESULT) + RESULT + b"\r\n0\r\n\r\n"),
    Item("a trailer that would set a session", HEAD + CHUNKED + b"\r\n" + WHOLE[:-2] + b"Mcp-Session-Id: poison\r\n\r\n", 200),
    Item("a trailer with a bare LF", HEAD + CHUNKED + b"\r\n" + WHOLE[:-2] + b"X: y\nZ: w\r\n\r\n"),
    Item("cut off inside its head", HEAD, closes=True),
    Item("cut off inside its body", GOOD[:-1], closes=True),
    Item("cut off inside a chunk", HEAD + CHUNKED + b"\r\n" + SIZE + RESULT[:9], closes=True),
    Item("cut off before the last chunk", HEAD + CHUNKED + b"\r\n" + SIZE + RESULT + b"\r\n", closes=True),
    Item("half a message, ended by closing", HEAD + b"\r\n" + RESULT[:-1], closes=True),
    Item("nothing", b"", closes=True),
    Item("no HTTP at all", RESULT),
    Item("HTTP/0.9", RESULT, closes=True),
    Item("HTTP/2.0", GOOD.replace(b"HTTP/1.1", b"HTTP/2.0")),
    Item("HTTP/1.2", GOOD.replace(b"HTTP/1.1", b"HTTP/1.2")),
    Item("the frames of HTTP/2", b"\0\0\x12\x04\0\0\0\0\0" + bytes(18)),
    Item("a request", b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
    Item("the status 000", GOOD.replace(b"200 OK", b"000 X")),
    Item("the status 99", GOOD.replace(b"200 OK", b"99 X")),
    Item("the status 600", GOOD.replace(b"200 OK", b"600 X")),
    Item("the status 999", GOOD.replace(b"200 OK", b"999 X")),
    Item("the status 2000", GOOD.replace(b"200 OK", b"2000 X")),
    Item("the status 205, which some read without a body", GOOD.replace(b"200 OK", b"205 Reset") + SMUGGLED),
    Item("a reason with a bare CR", GOOD.replace(b"OK", b"OK\rX-Poison: 1")),
    Item("a reason that is long and odd, replaced by ours", GOOD.replace(b"OK", b"poison \xff" * 99), 200),
    Item("a line of status ended by a bare LF", GOOD.replace(b"OK\r\n", b"OK\n")),
    Item("every line ended by a bare LF", GOOD.replace(b"\r\n", b"\n")),
    Item("a folded header", with_header(b"X: a\r\n poison")),
    Item("a bare CR in a header", with_header(b"X: a\rX-Poison: b")),
    Item("a bare LF in a header", with_header(b"X: a\nX-Poison: b")),
    Item("a NUL in a header", with_header(b"X: a\0poison")),
    Item("a control character in a header", with_header(b"X: a\x01poison")),
    Item("a space in a header's name", with_header(b"X Poison: a")),
    Item("no colon in a header", with_header(b"Poison")),
    Item("a header without a name", with_header(b": poison")),
    Item("a switch to another protocol", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + POISON),
    Item("interim answers without end", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 5000 + GOOD),
    Item("an interim answer with a body", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 6\r\n\r\npoison" + GOOD),
    Item("a few interim answers", b"HTTP/1.1 103 Early Hints\r\nX-Poison: 1\r\n\r\n" * 3 + GOOD, 200),
    Item("a redirect", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://poison/\r\nContent-Length: 0\r\n\r\n"),
    Item("300", GOOD.replace(b"200 OK", b"300 Multiple Choices")),
    Item("another place to go", with_header(b'Alt-Svc: h2="poison:443"'), 200),
    Item("headers of this hop", with_header(b"Connection: X-Poison\r\nX-Poison: 1\r\nKeep-Alive: poison\r\nUpgrade: poison"), 200),
    Item("compressed", with_header(b"Content-Encoding: gzip")),
    Item("two types", with_header(b"Content-Type: text/event-stream")),
    Item("two sessions", with_header(b"Mcp-Session-Id: a\r\nMcp-Session-Id: b")),
    Item("a head that is too large", with_header(b"X: " + b"y" * 70_000)),
    Item("too many headers", with_header(b"X: y\r\n" * 20_000 + b"Z: w")),
    Item("a body that is too large", HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * 20_000_000),
    Item("the answer to another call", HEAD + b"Content-Length: %d\r\n\r\n" % len(POISON) + POISON),
    Item("an answer whose id is text", GOOD.replace(b'"id":1', b'"id":"1"').replace(LENGTH, b"Content-Length: %d\r\n" % (len(RESULT) + 2))),
    Item("two messages", HEAD + b"Content-Length: %d\r\n\r\n" % (len(RESULT) + len(POISON)) + RESULT + POISON),
    Item("a batch", HEAD + b"Content-Length: %d\r\n\r\n" % (len(RESULT) + 2) + b"[" + RESULT + b"]"),
    Item("a request of its own", HEAD + b'Content-Length: 40\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}'),
    Item("a doubled member", GOOD.replace(LENGTH, b"Content-Length: %d\r\n" % (len(RESULT) + 19)).replace(b'"result"', b'"x":"poison","x":1,"result"')),
    Item("a page of HTML", HEAD.replace(b"application/json", b"text/html") + b"Content-Length: 6\r\n\r\npoison"),
    Item("a stream with another's answer before its own", streamed(_event(POISON), _event(RESULT)), 200),
    Item("a stream with another's answer behind its own", streamed(_event(RESULT), _event(POISON)), 200),
    Item("a stream with its own answer twice", streamed(_event(RESULT), _event(RESULT.replace(b"[]", b'["poison"]'))), 200),
    Item("a stream with two answers in one event", streamed(b"data: " + POISON + b"\ndata: " + RESULT + b"\n\n", _event(RESULT)), 200),
    Item("a stream with a batch", streamed(_event(b"[" + POISON + b"]"), _event(RESULT)), 200),
    Item("a stream with invalid UTF-8", streamed(b"data: \xffpoison\n\n", _event(RESULT)), 200),
    Item("a stream with odd breaks", streamed(b": x\x0bdata: " + POISON + b"\x0b\x0b\n\n", _event(RESULT)), 200),
    Item("a stream with its mark in the middle", streamed(b"\xef\xbb\xbfdata: " + POISON + b"\n\n", _event(RESULT)), 200),
    Item("a stream whose last event has no end", streamed(_event(RESULT), b"data: " + POISON), 200),
    Item("a stream followed by a second answer", streamed(_event(RESULT)) + SMUGGLED, 200),
)  # fmt: skip
