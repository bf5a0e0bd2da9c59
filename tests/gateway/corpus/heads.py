"""Request lines and header lines: whom a request is for, and what it says twice."""

from __future__ import annotations

from tests.gateway.corpus import BODY, GOOD, HEAD, LENGTH, Group, Item, swapped, with_header

_LINE = b"POST /mcp HTTP/1.1\r\n"
_HOST = b"Host: 127.0.0.1:1\r\n"


def _line(line: bytes) -> bytes:
    return line + GOOD.removeprefix(_LINE)


def _target(target: bytes) -> bytes:
    return _line(b"POST " + target + b" HTTP/1.1\r\n")


def _host(lines: bytes) -> bytes:
    return swapped(_HOST, lines)


BREAKS = Group(
    "line breaks and white space",
    "header injection and smuggling: one reader sees a line where another sees none (RFC 9112 sections 2.2 and 5)",
    (
        Item("every line ended by a bare LF", (HEAD + LENGTH).replace(b"\r\n", b"\n") + b"\n" + BODY),
        Item("every line ended by a bare CR", (HEAD + LENGTH).replace(b"\r\n", b"\r") + b"\r" + BODY),
        Item("the request line ended by a bare LF", _line(b"POST /mcp HTTP/1.1\n")),
        Item("one header ended by a bare LF", swapped(b"event-stream\r\n", b"event-stream\n")),
        Item("one header ended by LF CR", swapped(b"event-stream\r\n", b"event-stream\n\r")),
        Item("one header ended by CR CR LF", swapped(b"event-stream\r\n", b"event-stream\r\r\n")),
        Item("the head ended by LF LF", HEAD + LENGTH.replace(b"\r\n", b"\n\n") + BODY),
        Item("the head ended by CR LF LF", HEAD + LENGTH + b"\n" + BODY),
        Item("the head ended by LF CR LF", HEAD + LENGTH.replace(b"\r\n", b"\n") + b"\r\n" + BODY),
        Item("a bare CR in a value", with_header(b"X: a\rMcp-Name: b")),
        Item("a bare LF in a value", with_header(b"X: a\nMcp-Name: b")),
        Item("a bare CR in a name", with_header(b"X\rY: a")),
        Item("a folded header", with_header(b"X: a\r\n b")),
        Item("a folded header, by a tab", with_header(b"X: a\r\n\tb")),
        Item("a folded header that begins empty", with_header(b"X:\r\n a")),
        Item("the first header folded", swapped(_LINE, _LINE + b" X: a\r\n")),
        Item("a space before the colon", with_header(b"X : a")),
        Item("a tab before the colon", with_header(b"X\t: a")),
        Item("a space inside a name", with_header(b"X Y: a")),
        Item("no colon", with_header(b"X")),
        Item("no name", with_header(b": a")),
        Item("a line of one space", with_header(b" ")),
    ),
)

CHARACTERS = Group(
    "characters",
    "names and values that loggers, filters and servers read differently (RFC 9110 sections 5.1 and 5.5)",
    (
        *(
            Item(f"{sign!r} in a header's name", with_header(b"X" + sign.encode("latin-1") + b"Y: a"))
            for sign in '\0\x01\x0b\x1f\x7f\x80\xff()<>@,;\\"/[]?={}'
        ),
        Item("a name that is not ASCII", with_header("Häder: a".encode())),
        *(
            Item(f"{sign!r} in a value", with_header(b"X: a" + sign + b"b"))
            for sign in (b"\0", b"\x01", b"\x07", b"\x08", b"\x0b", b"\x0c", b"\x1b", b"\x1f", b"\x7f")
        ),
        Item("a NUL in the credential", swapped(b"token-of-alice", b"token-of-alice\0")),
        Item("a session id with a space", with_header(b"Mcp-Session-Id: a b")),
        Item("a session id that is not ASCII", with_header(b"Mcp-Session-Id: \xe9")),
        Item("a version that is not ASCII", with_header(b"MCP-Protocol-Version: \xe9")),
        Item("a tab in a value, as HTTP allows", with_header(b"X: a\tb"), 200, closes=False),
        Item("old text in a value, as HTTP allows", with_header(b"X: \xe9"), 200, closes=False),
        Item("an empty value, as HTTP allows", with_header(b"X:"), 200, closes=False),
    ),
)

_ONCE = (
    b"Authorization: Bearer token-of-alice",
    b"Authorization: Bearer token-of-bob",
    b"authorization: Bearer nobodys",
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"Mcp-Method: tools/call\r\nMCP-METHOD: tools/call",
    b"Mcp-Name: echo\r\nmcp-name: other",
    b"Mcp-Session-Id: a\r\nMcp-Session-Id: b",
    b"MCP-Protocol-Version: 2025-11-25\r\nMcp-Protocol-Version: 2026-07-28",
    b"Mcp-Param-X: 1\r\nMcp-Param-X: 2",
    b"Origin: http://127.0.0.1:1\r\nOrigin: http://evil.example",
    b"Last-Event-ID: 1\r\nLast-Event-Id: 2",
    b"Content-Encoding: identity\r\nContent-Encoding: gzip",
    b"Connection: keep-alive\r\nConnection: close",
    b"Expect: 100-continue\r\nExpect: 100-continue",
)
DOUBLES = Group(
    "headers said twice",
    "the gateway judges by the first, the server acts on the last",
    (
        *(Item(line.decode().replace("\r\n", " and "), with_header(line)) for line in _ONCE),
        Item("two hosts", with_header(b"Host: 127.0.0.1:1")),
        Item("two hosts, the other foreign", with_header(b"Host: evil.example")),
        Item("a foreign host before ours", _host(b"Host: evil.example\r\n" + _HOST)),
        *(
            Item(f"{name.decode()}, with an underscore", with_header(name + b": x"))
            for name in (b"Mcp_Name", b"MCP_Method", b"Mcp_Session_Id", b"X-Forwarded-For_", b"Last_Event_ID")
            if not name.startswith(b"X-")
        ),
        Item("Connection names the credential", with_header(b"Connection: authorization")),
        Item("Connection names the host", with_header(b"Connection: close, Host")),
        Item("Connection names the session", with_header(b"Connection: mcp-session-id")),
        Item("Connection names the mirrored name", with_header(b"Connection: keep-alive, Mcp-Name")),
        Item("Connection names the length", with_header(b"Connection: content-length")),
        Item("Connection names the media type", with_header(b"Connection: content-type")),
        Item("two values of Accept, as HTTP allows", with_header(b"Accept: */*"), 200, closes=False),
    ),
)

HOSTS = Group(
    "host and target",
    "DNS rebinding, cache and filter bypass by another spelling of the path (RFC 9112 section 3.2)",
    (
        Item("no host", _host(b"")),
        Item("an empty host", _host(b"Host:\r\n"), 403, closes=False),
        Item("a foreign host", _host(b"Host: evil.example\r\n"), 403, closes=False),
        Item("a host with a user", _host(b"Host: 127.0.0.1:1@evil.example\r\n"), 403, closes=False),
        Item("ours as the user of a foreign one", _host(b"Host: evil@127.0.0.1:1\r\n"), 403, closes=False),
        Item("a host that ends in a dot", _host(b"Host: localhost.:1\r\n"), 403, closes=False),
        Item("a host with a path", _host(b"Host: 127.0.0.1:1/x\r\n"), 403, closes=False),
        Item("a list of hosts", _host(b"Host: 127.0.0.1:1, evil.example\r\n"), 403, closes=False),
        Item("another port", _host(b"Host: 127.0.0.1:2\r\n"), 403, closes=False),
        Item("an address in decimal", _host(b"Host: 2130706433:1\r\n"), 403, closes=False),
        Item("an address in octal", _host(b"Host: 0177.0.0.1:1\r\n"), 403, closes=False),
        Item("a foreign host over HTTP/1.0", _line(b"POST /mcp HTTP/1.0\r\n").replace(_HOST, b"Host: x\r\n"), 403),
        Item("a foreign origin", with_header(b"Origin: http://evil.example"), 403, closes=False),
        Item("the null origin", with_header(b"Origin: null"), 403, closes=False),
        *(
            Item(f"the target {target.decode()}", _target(target), 404, closes=False)
            for target in (
                b"/", b"/mcp/", b"//mcp", b"/mcp//", b"/./mcp", b"/mcp/.", b"/x/../mcp", b"/mcp/..", b"/mcp/../admin",
                b"/%6dcp", b"/mcp%2f", b"/mcp%2F..%2Fx", b"/mcp%00", b"/mcp%20", b"/MCP", b"/mcp;x=1",
                b"/mcp?", b"/mcp?a=b", b"/mcp?access_token=x", b"/x?/mcp", b"/\\mcp", b"/mcp\\", b"/mcp.", b"/mcp,",
                b"http://127.0.0.1:1/mcp", b"http://evil.example/mcp", b"https://127.0.0.1:1/mcp", b"file:///mcp",
            )
        ),
        Item("a fragment", _target(b"/mcp#x"), 404, closes=False),
        Item("the target *", _target(b"*"), 404, closes=False),
        Item("the authority as target", _target(b"127.0.0.1:1")),
        Item("a target without its slash", _target(b"mcp")),
        Item("a target that is not ASCII", _target("/mcp\u0301".encode())),
        Item("a control character in the target", _target(b"/mcp\x01")),
        Item("a tab in the target", _target(b"/mcp\tx")),
        Item("a NUL in the target", _target(b"/mcp\0")),
    ),
)  # fmt: skip

VERSIONS = Group(
    "versions and methods",
    "another protocol, or a method nobody judges (RFC 9112 sections 2.3 and 3)",
    (
        Item("HTTP/0.9", b"POST /mcp\r\n"),
        Item("HTTP/0.9, by name", _line(b"POST /mcp HTTP/0.9\r\n")),
        Item("HTTP/1.2", _line(b"POST /mcp HTTP/1.2\r\n")),
        Item("HTTP/2.0", _line(b"POST /mcp HTTP/2.0\r\n")),
        Item("HTTP/3.0", _line(b"POST /mcp HTTP/3.0\r\n")),
        Item("HTTP/11", _line(b"POST /mcp HTTP/11\r\n")),
        Item("HTTP/1.10", _line(b"POST /mcp HTTP/1.10\r\n")),
        Item("HTTP/01.1", _line(b"POST /mcp HTTP/01.1\r\n")),
        Item("HTTP/1", _line(b"POST /mcp HTTP/1\r\n")),
        Item("HTTP/1,1", _line(b"POST /mcp HTTP/1,1\r\n")),
        Item("http/1.1", _line(b"POST /mcp http/1.1\r\n")),
        Item("HTTPS/1.1", _line(b"POST /mcp HTTPS/1.1\r\n")),
        Item("ICE/1.0", _line(b"SOURCE /mcp ICE/1.0\r\n"), 405),
        Item("no version", _line(b"POST /mcp \r\n")),
        Item("words behind the version", _line(b"POST /mcp HTTP/1.1 x\r\n")),
        Item("a space behind the version", _line(b"POST /mcp HTTP/1.1 \r\n")),
        Item("a space before the method", _line(b" POST /mcp HTTP/1.1\r\n")),
        Item("two spaces, as HTTP lets them be read", _line(b"POST  /mcp  HTTP/1.1\r\n"), 200, closes=False),
        Item("RTSP/1.0, read as HTTP/1.0", _line(b"POST /mcp RTSP/1.0\r\n"), 200),
        Item("a tab for a space", _line(b"POST\t/mcp\tHTTP/1.1\r\n")),
        Item("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Item("the preface of HTTP/2, then frames", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + GOOD),
        Item("a hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(507)),
        Item("a hello of SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40)),
        Item("the PROXY protocol", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + GOOD),
        Item("the PROXY protocol, version 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + GOOD),
        Item("SSH", b"SSH-2.0-x\r\n" + GOOD),
        Item("CONNECT", b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Item("CONNECT to our path", _line(b"CONNECT /mcp HTTP/1.1\r\n")),
        *(
            Item(name, _line(name.encode() + b" /mcp HTTP/1.1\r\n"), 405, closes=False)
            for name in ("TRACE", "PUT", "PATCH", "OPTIONS", "PROPFIND", "PURGE", "QUERY")
        ),
        Item("PRI in HTTP/1.1", _line(b"PRI /mcp HTTP/1.1\r\n")),
        Item("a method nobody knows", _line(b"WATCH /mcp HTTP/1.1\r\n")),
        Item("post", _line(b"post /mcp HTTP/1.1\r\n")),
        Item("POSTX", _line(b"POSTX /mcp HTTP/1.1\r\n")),
        Item("a quoted method", _line(b'"POST" /mcp HTTP/1.1\r\n')),
        Item("a method override, which is ignored", with_header(b"X-HTTP-Method-Override: DELETE"), 200, closes=False),
    ),
)

SWITCHES = Group(
    "upgrades and expectations",
    "a tunnel past inspection, and a client that waits for another answer than ours",
    (
        Item("an upgrade to h2c", with_header(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")),
        Item("an upgrade to a WebSocket", with_header(b"Connection: Upgrade\r\nUpgrade: websocket")),
        Item("an upgrade to TLS", with_header(b"Connection: upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1")),
        Item("an unknown expectation", with_header(b"Expect: x"), 417),
        Item("an expectation beside an unknown one", with_header(b"Expect: 100-continue, x"), 417),
        Item("an expectation with a parameter", with_header(b"Expect: 100-continue;x=y"), 417),
        Item("an empty expectation", with_header(b"Expect:"), 417),
        Item("an upgrade nobody nominates, ignored", with_header(b"Upgrade: h2c"), 200, closes=False),
    ),
)  # fmt: skip

SIZES = Group(
    "sizes",
    "memory and processor time (CWE-400, CWE-770)",
    (
        Item("one header longer than the head may be", with_header(b"X: " + b"y" * 40_000), 431),
        Item("a name longer than the head may be", with_header(b"X" * 40_000 + b": y"), 431),
        Item("more headers than the head holds", with_header(b"X:y\r\n" * 20_000 + b"Z: w"), 431),
        Item("a target longer than the head may be", _target(b"/" + b"m" * 40_000), 431),
        Item("a method without end", b"P" * 40_000),
        Item("a header without end", HEAD + b"X: " + b"y" * 600_000, 431),
        Item("empty lines without end", b"\r\n" * 400_000, 431),
    ),
)

GROUPS = (BREAKS, CHARACTERS, DOUBLES, HOSTS, VERSIONS, SWITCHES, SIZES)
