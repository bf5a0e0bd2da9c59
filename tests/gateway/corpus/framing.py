"""Where a request ends: lengths, transfer codings, chunks. What two readers cut differently is smuggling."""

from __future__ import annotations

from tests.gateway.corpus import (
    BODY,
    CANARY,
    CHUNKED,
    GOOD,
    HEAD,
    LENGTH,
    Group,
    Item,
    chunks,
    swapped,
    with_header,
    without_length,
)

N = len(BODY)
SIZE = b"%x\r\n" % N
WHOLE = SIZE + BODY + b"\r\n0\r\n\r\n"


def _length(value: bytes) -> bytes:
    return without_length(b"Content-Length:" + value + b"\r\n")


def _coding(lines: bytes) -> bytes:
    return without_length(lines, WHOLE)


def _trailer(flaw: str, line: bytes) -> Item:
    return Item(flaw, chunks(SIZE + BODY + b"\r\n0\r\n" + line + b"\r\n\r\n"), 200, closes=False)


LENGTHS = Group(
    "Content-Length",
    "request smuggling: two readers disagree about where the body ends (RFC 9112 section 6.3)",
    (
        Item("two lengths that differ", with_header(b"Content-Length: 0")),
        Item("two lengths that differ, the other first", without_length(LENGTH + b"Content-Length: 0\r\n")),
        Item("the same length twice", with_header(LENGTH.strip())),
        Item("the same length as a list", _length(b" %d, %d" % (N, N))),
        Item("a list of two lengths", _length(b" %d, 0" % N)),
        Item("a list that ends in nothing", _length(b" %d," % N)),
        Item("negative", _length(b" -1")),
        Item("negative zero", _length(b" -0")),
        Item("with a plus sign", _length(b" +%d" % N)),
        Item("hexadecimal", _length(b" 0x%x" % N)),
        Item("octal with a letter", _length(b" 0o%o" % N)),
        Item("with an underscore", _length(b" %d_%d" % (N // 10, N % 10))),
        Item("with a decimal point", _length(b" %d.0" % N)),
        Item("with an exponent", _length(b" %de0" % N)),
        Item("with a space inside", _length(b" %d %d" % (N // 10, N % 10))),
        Item("with a tab inside", _length(b" %d\t%d" % (N // 10, N % 10))),
        Item("with a vertical tab before", _length(b"\x0b%d" % N)),
        Item("with a no-break space before", _length(b"\xa0%d" % N)),
        Item("with a semicolon", _length(b" %d;x" % N)),
        Item("in quotes", _length(b' "%d"' % N)),
        Item("in Arabic digits", _length(" \u0668\u0668".encode())),
        Item("in full-width digits", _length(" \uff18\uff18".encode())),
        Item("empty", _length(b"")),
        Item("blank", _length(b"   ")),
        Item("a word", _length(b" chunked")),
        Item("one more than 64 bits", _length(b" 18446744073709551616")),
        Item("64 bits of ones", _length(b" 18446744073709551615"), 413),
        Item("wraps to the length in 64 bits", _length(b" %d" % (2**64 + N))),
        Item("wraps to the length in 32 bits", _length(b" %d" % (2**32 + N)), 413),
        Item("a thousand digits", _length(b" " + b"9" * 1000)),
        Item("too large", _length(b" 4194305"), 413),
        Item("folded onto the next line", _length(b"\r\n %d" % N)),
        Item("named with an underscore", with_header(b"Content_Length: 0")),
        Item("on a GET", swapped(b"POST /mcp", b"GET /mcp")),
        Item("on a DELETE", swapped(b"POST /mcp", b"DELETE /mcp")),
        Item("spaces around it, as HTTP allows", _length(b" \t %d \t" % N), 200, closes=False),
        Item("zeros before it, as HTTP allows", _length(b" 000%d" % N), 200, closes=False),
    ),
)

CODINGS = Group(
    "Transfer-Encoding",
    "request smuggling: CL.TE, TE.CL and TE.TE (RFC 9112 sections 6.1 and 6.3)",
    (
        Item("a length, then chunked", without_length(LENGTH + CHUNKED, WHOLE)),
        Item("chunked, then a length", without_length(CHUNKED + LENGTH, WHOLE)),
        Item("chunked over a length of 0", without_length(CHUNKED + b"Content-Length: 0\r\n", WHOLE)),
        Item("chunked over a length that ends early", without_length(b"Content-Length: 4\r\n" + CHUNKED, WHOLE)),
        Item("a length beside a coding nobody knows", without_length(LENGTH + b"Transfer-Encoding: x\r\n")),
        Item("a length beside identity", without_length(LENGTH + b"Transfer-Encoding: identity\r\n")),
        Item("a length beside an empty coding", without_length(LENGTH + b"Transfer-Encoding:\r\n")),
        Item("chunked twice", _coding(CHUNKED + CHUNKED)),
        Item("chunked twice in a list", _coding(b"Transfer-Encoding: chunked, chunked\r\n")),
        Item("chunked, then identity", _coding(b"Transfer-Encoding: chunked, identity\r\n")),
        Item("identity, then chunked", _coding(b"Transfer-Encoding: identity, chunked\r\n")),
        Item("chunked and identity on two lines", _coding(CHUNKED + b"Transfer-Encoding: identity\r\n")),
        Item("identity and chunked on two lines", _coding(b"Transfer-Encoding: identity\r\n" + CHUNKED)),
        Item("gzip, then chunked", _coding(b"Transfer-Encoding: gzip, chunked\r\n")),
        Item("gzip alone", _coding(b"Transfer-Encoding: gzip\r\n")),
        Item("identity alone", without_length(b"Transfer-Encoding: identity\r\n")),
        Item("a prefix", _coding(b"Transfer-Encoding: xchunked\r\n")),
        Item("a suffix", _coding(b"Transfer-Encoding: chunkedx\r\n")),
        Item("a parameter", _coding(b"Transfer-Encoding: chunked;q=1\r\n")),
        Item("in quotes", _coding(b'Transfer-Encoding: "chunked"\r\n')),
        Item("an empty list member before", _coding(b"Transfer-Encoding: ,chunked\r\n")),
        Item("an empty list member behind", _coding(b"Transfer-Encoding: chunked,\r\n")),
        Item("a vertical tab before it", _coding(b"Transfer-Encoding: \x0bchunked\r\n")),
        Item("a form feed behind it", _coding(b"Transfer-Encoding: chunked\x0c\r\n")),
        Item("a no-break space behind it", _coding(b"Transfer-Encoding: chunked\xa0\r\n")),
        Item("a NUL behind it", _coding(b"Transfer-Encoding: chunked\0\r\n")),
        Item("a bare CR before it", _coding(b"Transfer-Encoding: \rchunked\r\n")),
        Item("a bare LF before it", _coding(b"Transfer-Encoding: \nchunked\r\n")),
        Item("a space before the colon", _coding(b"Transfer-Encoding : chunked\r\n")),
        Item("a tab before the colon", _coding(b"Transfer-Encoding\t: chunked\r\n")),
        Item("a space before the name", _coding(b" Transfer-Encoding: chunked\r\n")),
        Item("folded", _coding(b"Transfer-Encoding:\r\n chunked\r\n")),
        Item("folded behind another header", _coding(b"X: y\r\n Transfer-Encoding: chunked\r\n")),
        Item("named with an underscore", without_length(LENGTH + b"Transfer_Encoding: chunked\r\n")),
        Item(
            "a look-alike letter in its name", without_length(LENGTH + "Transfer-Encod\u0131ng: chunked\r\n".encode())
        ),
        Item("hidden behind a bare CR", without_length(LENGTH + b"X: y\rTransfer-Encoding: chunked\r\n")),
        Item("hidden behind a bare LF", without_length(LENGTH + b"X: y\nTransfer-Encoding: chunked\r\n")),
        Item("hidden behind a NUL", without_length(LENGTH + b"X: y\0\r\nTransfer-Encoding: chunked\r\n", WHOLE)),
        Item("over HTTP/1.0", _coding(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0")),
        Item("on a GET", _coding(CHUNKED).replace(b"POST", b"GET")),
        Item("in capitals, as HTTP allows", _coding(b"TRANSFER-ENCODING: Chunked\r\n"), 200, closes=False),
        Item("a tab behind it", _coding(b"Transfer-Encoding: chunked\t\r\n")),
        Item("spaces around it, as HTTP allows", _coding(b"Transfer-Encoding: \t chunked \r\n"), 200, closes=False),
        Item("an expected trailer, which is not forwarded", _coding(CHUNKED + b"TE: trailers\r\n"), 200, closes=False),
    ),
)

CHUNKS = Group(
    "chunks",
    "request smuggling inside the chunked coding (RFC 9112 section 7.1; the 2025 chunk-extension attacks)",
    (
        Item("a size with a sign", chunks(b"+" + WHOLE)),
        Item("a negative size", chunks(b"-" + WHOLE)),
        Item("a size with 0x", chunks(b"0x" + WHOLE)),
        Item("a size with an underscore", chunks(b"5_8\r\n" + BODY + b"\r\n0\r\n\r\n")),
        Item("a size with a space before it", chunks(b" " + WHOLE)),
        Item("a size with a space behind it", chunks(b"%x \r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("a size with a tab behind it", chunks(b"%x\t\r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("a size of more than 64 bits", chunks(b"1" + b"%016x" % N + WHOLE[len(SIZE) - 2 :])),
        Item("a size of 64 bits of ones", chunks(b"f" * 16 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"), 408),
        Item("a size that is no number", chunks(b"xyz\r\n" + BODY + b"\r\n0\r\n\r\n")),
        Item("an empty size", chunks(b"\r\n" + BODY + b"\r\n0\r\n\r\n")),
        Item("a size in full-width digits", chunks("\uff15\uff18".encode() + b"\r\n" + BODY + b"\r\n0\r\n\r\n")),
        Item("a size larger than the limit", chunks(b"400001\r\n" + BODY), 408),
        Item("a size line ended by a bare LF", chunks(b"%x\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("a size line ended by a bare CR", chunks(b"%x\r" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("data ended by a bare LF", chunks(SIZE + BODY + b"\n0\r\n\r\n")),
        Item("data ended by a bare CR", chunks(SIZE + BODY + b"\r0\r\n\r\n")),
        Item("data without an end", chunks(SIZE + BODY + b"0\r\n\r\n")),
        Item("data ended by two other bytes", chunks(SIZE + BODY + b"XX0\r\n\r\n")),
        Item("data longer than its size", chunks(b"%x\r\n" % (N - 1) + BODY + b"\r\n0\r\n\r\n")),
        Item("the last size ended by a bare LF", chunks(SIZE + BODY + b"\r\n0\n\r\n")),
        Item("the end a bare LF", chunks(SIZE + BODY + b"\r\n0\r\n\n")),
        Item("an extension with a bare LF", chunks(b"%x;a\nb\r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension with a bare CR", chunks(b"%x;a\rb\r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension ended by a bare LF", chunks(b"%x;a=b\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension with a NUL", chunks(b"%x;a\0\r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension without a name", chunks(b"%x;\r\n" % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension whose quotes hide a line", chunks(b'%x;a="\r\n' % N + BODY + b"\r\n0\r\n\r\n")),
        Item("an extension in the last chunk with a bare LF", chunks(SIZE + BODY + b"\r\n0;\n\r\n")),
        Item("an extension without end", chunks(b"%x;" % N + b"a" * 800_000), 431),
        Item("a trailer with a space before the colon", chunks(SIZE + BODY + b"\r\n0\r\nX : y\r\n\r\n")),
        Item("a trailer without a colon", chunks(SIZE + BODY + b"\r\n0\r\nX\r\n\r\n")),
        Item("a folded trailer", chunks(SIZE + BODY + b"\r\n0\r\nX: y\r\n z\r\n\r\n")),
        Item("a trailer with a bare LF", chunks(SIZE + BODY + b"\r\n0\r\nX: y\nZ: w\r\n\r\n")),
        Item("a trailer with a bare CR", chunks(SIZE + BODY + b"\r\n0\r\nX: y\rZ: w\r\n\r\n")),
        Item("a trailer with a NUL", chunks(SIZE + BODY + b"\r\n0\r\nX: \0\r\n\r\n")),
        Item("a trailer with a length", chunks(SIZE + BODY + b"\r\n0\r\nContent-Length: 9\r\n\r\n")),
        Item("a trailer with a transfer coding", chunks(SIZE + BODY + b"\r\n0\r\n" + CHUNKED + b"\r\n")),
        Item(
            "a trailer with a host, dropped",
            chunks(SIZE + BODY + b"\r\n0\r\nHost: evil.example\r\n\r\n"),
            200,
            closes=False,
        ),
        Item(
            "a trailer with a credential, dropped",
            chunks(SIZE + BODY + b"\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
            200,
            closes=False,
        ),
        Item(
            "a trailer with a mirrored header, dropped",
            chunks(SIZE + BODY + b"\r\n0\r\nMcp-Name: other\r\n\r\n"),
            200,
            closes=False,
        ),
        Item("cut off inside a size", chunks(b"5"), 0),
        Item("cut off inside data", chunks(SIZE + BODY[:9]), 0),
        Item("cut off before the last chunk", chunks(SIZE + BODY + b"\r\n"), 0),
        Item("cut off before the end", chunks(SIZE + BODY + b"\r\n0\r\n"), 0),
        Item("extensions, as HTTP allows", chunks(b'%x;a=b;c="d"\r\n' % N + WHOLE[len(SIZE) :]), 200, closes=False),
        Item("zeros before a size, as HTTP allows", chunks(b"000" + WHOLE), 200, closes=False),
        Item("a size in capitals, as HTTP allows", chunks(WHOLE.replace(SIZE, SIZE.upper())), 200, closes=False),
        _trailer("a trailer of no meaning, dropped", b"X: y"),
    ),
)

PIPELINES = Group(
    "pipelining and early ends",
    "a poisoned second request that another reader takes for part of the first",
    (
        Item("rubbish behind a request that closes", with_header(b"Connection: close") + b"RUBBISH" + CANARY, 200),
        Item("a second request behind one that closes", with_header(b"Connection: close") + CANARY, 200),
        Item("a second request behind one of HTTP/1.0", GOOD.replace(b"HTTP/1.1", b"HTTP/1.0") + CANARY, 200),
        Item("cut off inside the request line", b"POST /mc", 0),
        Item("cut off inside the head", HEAD, 0),
        Item("cut off inside the body", GOOD[:-1], 0),
        Item("cut off before the body", HEAD + LENGTH + b"\r\n", 0),
        Item("empty lines before the request line, as HTTP allows", b"\r\n\r\n" + GOOD, 200, closes=False),
    ),
)

GROUPS = (LENGTHS, CODINGS, CHUNKS, PIPELINES)
