"""Messages that parsers read differently: JSON, names, ids, media types."""

from __future__ import annotations

import json

from tests.gateway.corpus import BODY, HEAD, LENGTH, Group, Item, swapped, with_body, with_header


def _bad(flaw: str, body: bytes | str) -> Item:
    return Item(flaw, with_body(body if isinstance(body, bytes) else body.encode()), 400, closes=False)


def _argument(flaw: str, value: bytes | str) -> Item:
    value = value if isinstance(value, bytes) else value.encode()
    return _bad(flaw, BODY.replace(b'"arguments":{}', b'"arguments":{"a":' + value + b"}"))


def _fine(flaw: str, body: bytes | str) -> Item:
    body = body if isinstance(body, bytes) else body.encode()
    return Item(flaw, with_body(body), 200, closes=False, body=body)


def _member(flaw: str, member: bytes | str) -> Item:
    """`member` at the end of the envelope."""
    member = member if isinstance(member, bytes) else member.encode()
    return _bad(flaw, BODY[:-1] + b"," + member + b"}")


def _parameter(flaw: str, member: bytes | str) -> Item:
    """`member` at the end of params."""
    member = member if isinstance(member, bytes) else member.encode()
    return _bad(flaw, BODY[:-2] + b"," + member + b"}}")


_TEXT = BODY.decode()

TEXT = Group(
    "JSON text",
    "what one parser drops, mends or reads otherwise (RFC 8259; CVE-2026-27896 and its kin)",
    (
        _bad("empty", b""),
        _bad("white space", b" \r\n"),
        _bad("half a message", BODY[:-1]),
        _bad("two messages", BODY + BODY),
        _bad("two messages, a line each", BODY + b"\n" + BODY),
        _bad("a NUL behind", BODY + b"\0"),
        _bad("a brace behind", BODY + b"}"),
        _bad("a comma behind", BODY + b","),
        _bad("rubbish before", b")]}',\n" + BODY),
        _bad("a byte order mark", b"\xef\xbb\xbf" + BODY),
        _bad("UTF-16 with its mark", _TEXT.encode("utf-16")),
        _bad("UTF-16, little end first", _TEXT.encode("utf-16-le")),
        _bad("UTF-16, big end first", _TEXT.encode("utf-16-be")),
        _bad("UTF-32", _TEXT.encode("utf-32")),
        _bad("UTF-7", BODY.replace(b'"poison"', b"+ACI-poison+ACI-")),
        _argument("Latin-1", b'"\xe9"'),
        _argument("a lone continuation byte", b'"\x80"'),
        _argument("a cut sequence", b'"\xe2\x82"'),
        _argument("an overlong slash", b'"\xc0\xaf"'),
        _argument("an overlong NUL", b'"\xc0\x80"'),
        _argument("a surrogate in UTF-8", b'"\xed\xa0\x80"'),
        _argument("a pair of surrogates in UTF-8", b'"\xed\xa0\xbd\xed\xb8\x80"'),
        _argument("beyond Unicode", b'"\xf4\x90\x80\x80"'),
        _argument("invalid UTF-8 in a name", b'{"\xff":1}'),
        _argument("a lone high surrogate", r'"\ud800"'),
        _argument("a lone low surrogate", r'"\udc00"'),
        _argument("surrogates the wrong way round", r'"\ude00\ud83d"'),
        _argument("a high surrogate before a letter", r'"\ud83dx"'),
        _argument("a lone surrogate in a name", r'{"\ud800":1}'),
        _argument("a raw line break in a text", b'"a\nb"'),
        _argument("a raw tab in a text", b'"a\tb"'),
        _argument("a raw NUL in a text", b'"a\0b"'),
        _argument("an escape nobody knows", r'"\x41"'),
        _argument("a short escape", r'"\u41"'),
        _argument("single quotes", "'a'"),
        _argument("no quotes", "a"),
        _argument("a comment", "1/* */"),
        _argument("a line comment", "1//\n"),
        _argument("a hash comment", "1#\n"),
        _argument("a trailing comma in an object", '{"b":1,}'),
        _argument("a trailing comma in a list", "[1,]"),
        _argument("a missing comma", "[1 2]"),
        _argument("a name without quotes", "{b:1}"),
        _argument("NaN", "NaN"),
        _argument("Infinity", "Infinity"),
        _argument("-Infinity", "-Infinity"),
        _argument("a number beyond range", "1e999"),
        _argument("a negative number beyond range", "-1e999"),
        _argument("a zero before a number", "01"),
        _argument("a plus before a number", "+1"),
        _argument("a hexadecimal number", "0x1"),
        _argument("a number without its fraction", "1."),
        _argument("a number without its integer", ".5"),
        _argument("True", "True"),
        _argument("undefined", "undefined"),
        _argument("a form feed for a space", "\f1"),
        _argument("a no-break space for a space", "\u00a01"),
        _argument("lists too deep", "[" * 101 + "]" * 101),
        _argument("objects too deep", '{"a":' * 101 + "1" + "}" * 101),
        _argument("lists a million deep", "[" * 1_000_000),
        _fine("spaces anywhere, as JSON allows", json.dumps(json.loads(BODY), indent=2)),
        _fine("a number with a point", BODY.replace(b'"arguments":{}', b'"arguments":{"a":1.50,"b":-0,"c":1E2}')),
        _fine("a huge integer", BODY.replace(b'"arguments":{}', b'"arguments":{"a":123456789012345678901234567890}')),
        _fine("a pair of escaped surrogates", BODY.replace(b'"arguments":{}', rb'"arguments":{"a":"\ud83d\ude00"}')),
        _fine("an escaped NUL in a text", BODY.replace(b'"arguments":{}', rb'"arguments":{"a":"\u0000"}')),
    ),
)

NAMES = Group(
    "members",
    "a member that the gateway and the server take from different places (checklist B7)",
    (
        _member("a doubled method", '"method":"ping"'),
        _member("a doubled method, escaped", r'"m\u0065thod":"ping"'),
        _member("a doubled method, wholly escaped", r'"\u006d\u0065\u0074\u0068\u006f\u0064":"ping"'),
        _member("doubled params", '"params":{}'),
        _member("a doubled id", '"id":2'),
        _member("a doubled version", '"jsonrpc":"2.0"'),
        _member("a doubled member of a vendor", '"x":1,"x":1'),
        _parameter("a doubled name", '"name":"other"'),
        _parameter("a doubled name, escaped", r'"n\u0061me":"other"'),
        _parameter("doubled arguments", '"arguments":{}'),
        _parameter("a doubled member of _meta", '"_meta":{"progressToken":1,"progressToken":2}'),
        _argument("a doubled argument", '{"b":1,"b":2}'),
        _argument("a doubled argument, spaced", '{"b":1 , "b" : 2}'),
        _argument("a doubled argument, escaped slash", r'{"a/b":1,"a\/b":2}'),
        _argument("a doubled argument in a list", '[{"b":[{"c":1,"c":1}]}]'),
        _argument("a doubled empty name", '{"":1,"":2}'),
        _argument("a doubled argument beside text like members", r'{"b":"\":1,\"b\":","b":2}'),
        _argument("a doubled name of two spellings beyond the plane", '{"\U0001f600":1,"\\ud83d\\ude00":2}'),
        _argument("a NUL in a name", r'{"b\u0000":1}'),
        _argument("a name of one NUL", r'{"\u0000":1}'),
        _member("Method", '"Method":"ping"'),
        _member("METHOD", '"METHOD":"ping"'),
        _member("method, full width", '"\uff4dethod":"ping"'),
        _member("param\u017f (long s)", '"param\u017f":{"name":"x"}'),
        _member("param\u017f, escaped", r'"param\u017f":{"name":"x"}'),
        _member("Id", '"Id":2'),
        _member("\u0131d (dotless i)", '"\u0131d":2'),
        _member("\u0130d (dotted I)", '"\u0130d":2'),
        _member("JSONRPC", '"JSONRPC":"1.0"'),
        _member("Result beside a method", '"Result":{}'),
        _member("a result beside a method", '"result":{}'),
        _member("an error beside a method", '"error":{"code":1,"message":"x"}'),
        _parameter("Name", '"Name":"other"'),
        _parameter("ARGUMENTS", '"ARGUMENTS":{}'),
        _parameter("argument\u017f (long s)", '"argument\u017f":{}'),
        _parameter("_META", '"_META":{}'),
        _parameter("a look-alike in _meta", '"_meta":{"progressTo\u212aen":1}'),
        _parameter("a version in other case", '"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}'),
        _fine("members of a vendor", BODY[:-1] + b',"vendor":{"Method":"x"}}'),
    ),
)


def _id(value: str) -> Item:
    return _bad(f"the id {value[:24]}", BODY.replace(b'"id":1', b'"id":' + value.encode()))


SHAPES = Group(
    "messages",
    "what some servers take for a notification, a batch or another request (checklist B9, A7)",
    (
        *map(_id, ("1.0", "1.5", "1e0", "-0.0", "null", "true", "false", "[]", "[1]", "{}", '{"a":1}', "1e999", "NaN")),
        _bad("a batch of one", b"[" + BODY + b"]"),
        _bad("a batch of two", b"[" + BODY + b"," + BODY + b"]"),
        _bad("an empty batch", b"[]"),
        _bad("a text", b'"x"'),
        _bad("a number", b"1"),
        _bad("null", b"null"),
        _bad("an empty object", b"{}"),
        _bad("no version", BODY.replace(b'"jsonrpc":"2.0",', b"")),
        _bad("version 1.0", BODY.replace(b'"2.0"', b'"1.0"')),
        _bad("version 2.0 as a number", BODY.replace(b'"2.0"', b"2.0")),
        _bad("version 2.0 with a space", BODY.replace(b'"2.0"', b'"2.0 "')),
        _bad("no method", BODY.replace(b'"method":"tools/call",', b"")),
        _bad("an empty method", BODY.replace(b"tools/call", b"")),
        _bad("a method that is null", BODY.replace(b'"tools/call"', b"null")),
        _bad("a method that is a list", BODY.replace(b'"tools/call"', b'["tools/call"]')),
        _bad("params that are a list", BODY.replace(b'{"name":"poison","arguments":{}}', b'["poison"]')),
        _bad("params that are null", BODY.replace(b'{"name":"poison","arguments":{}}', b"null")),
        _bad("a name that is a number", BODY.replace(b'"poison"', b"1")),
        _bad("a name that is null", BODY.replace(b'"poison"', b"null")),
        _bad("a name that is a list", BODY.replace(b'"poison"', b'["poison"]')),
        _bad("no name", BODY.replace(b'"name":"poison",', b"")),
        _parameter("a _meta that is a text", '"_meta":"x"'),
        _bad("a result and an error", b'{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}'),
        _bad("a result without an id", b'{"jsonrpc":"2.0","result":{}}'),
        _bad("a result with the id null", b'{"jsonrpc":"2.0","id":null,"result":{}}'),
        _bad("an error that is a text", b'{"jsonrpc":"2.0","id":1,"error":"x"}'),
        _fine("the id 0", BODY.replace(b'"id":1', b'"id":0')),
        _fine("a negative id", BODY.replace(b'"id":1', b'"id":-7')),
        _fine("an empty id", BODY.replace(b'"id":1', b'"id":""')),
        _fine("an id of 64 bits", BODY.replace(b'"id":1', b'"id":9223372036854775807')),
    ),
)


def _media(value: bytes) -> Item:
    data = swapped(b"Content-Type: application/json", b"Content-Type: " + value)
    return Item(f"the type {value.decode()}", data, 415, closes=False)


MEDIA = Group(
    "media types and encodings",
    "a body that nobody looks into because of what it is called (checklist B10; a gateway bypass of 2026)",
    (
        *map(
            _media,
            (
                b"text/plain", b"text/json", b"application/jsonp", b"application/json-seq", b"application/x-json",
                b"application/vnd.mcp+json", b"application/jsonrpc", b"application/x-ndjson", b"*/*", b"application/*",
                b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded", b"application/octet-stream",
                b"text/event-stream", b"application json", b"application/json, text/plain", b"json", b"",
                b"application/json\xc2\xa0", b'"application/json"', b"text/plain; x=application/json",
            ),
        ),
        Item("no type", swapped(b"Content-Type: application/json\r\n", b""), 415, closes=False),
        *(
            Item(f"the encoding {name.decode()}", with_header(b"Content-Encoding: " + name), 415, closes=False)
            for name in (b"gzip", b"deflate", b"br", b"zstd", b"x-gzip", b"identity, gzip", b"gzip, identity", b"x")
        ),
        *map(
            _media,
            (
                b"application/json; charset=utf-7", b"application/json;charset=UTF-16LE",
                b"application/json; charset=latin1", b"application/json; charset=utf-8; charset=utf-7",
                b"application/json; charset*=utf-7''",
                b'application/json; x="charset=utf-8"; charset=utf-7', b"application/json; charset=utf-8,utf-7",
            ),
        ),
        Item(
            "a type in capitals with a charset, as HTTP allows",
            HEAD.replace(b"application/json\r", b"Application/JSON; charset=UTF-8\r") + LENGTH + b"\r\n" + BODY,
            200,
            closes=False,
        ),
        Item("the encoding identity, as HTTP allows", with_header(b"Content-Encoding: identity"), 200, closes=False),
    ),
)  # fmt: skip

GROUPS = (TEXT, NAMES, SHAPES, MEDIA)
