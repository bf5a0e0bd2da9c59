"""Runs of signs that stand for bytes: base 64, 32 and 16, bits, decimal codes, Morse, percent and entity escapes."""

from __future__ import annotations

import base64
import binascii
import html
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import re2

from watchkeeper.inspection.decodings.model import Hidden, is_printable

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_BASE64_LINES = re.compile(r"(?:[A-Za-z0-9+/]{40,80}\r?\n){2,}[A-Za-z0-9+/]{2,80}={0,2}")
_BASE32 = re.compile(r"\b[A-Z2-7]{16,}={0,6}")
_HEX = re2.compile(r"(?:\b0x|\\x|\b)?[0-9a-fA-F]{2}(?:(?:\\x|[ :,-]|%|,? ?0x)?[0-9a-fA-F]{2}){7,}")
_BITS = re.compile(r"\b[01]{7,8}(?:[ ,_-]?[01]{7,8}){3,}\b")
_CODES = re.compile(r"\b(?:\d{2,3}[ ,;]+){5,}\d{2,3}\b")
_MORSE = re.compile(r"(?:[.\u00b7\u2022-]{1,6}[ /|]+){8,}[.\u00b7\u2022-]{1,6}")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}|[A-Za-z0-9._~+-]){3,}")
_ENTITY = re.compile(r"&(?:#x?[0-9a-fA-F]{2,6}|[a-z]{2,8});?")
_ESCAPE = re.compile(r"\\(?:u\{?([0-9a-fA-F]{2,6})\}?|x([0-9a-fA-F]{2})|([0-7]{3}))")
_DATA_URI = re.compile(r"data:(?:image|font|audio|video)/[\w.+-]+;base64,$")
_ALPHABET = [
    ".-",
    "-...",
    "-.-.",
    "-..",
    ".",
    "..-.",
    "--.",
    "....",
    "..",
    ".---",
    "-.-",
    ".-..",
    "--",
    "-.",
    "---",
    ".--.",
    "--.-",
    ".-.",
    "...",
    "-",
    "..-",
    "...-",
    ".--",
    "-..-",
    "-.--",
    "--..",
    "-----",
    ".----",
    "..---",
    "...--",
    "....-",
    ".....",
    "-....",
    "--...",
    "---..",
    "----.",
]
_LETTERS = dict(zip(_ALPHABET, "abcdefghijklmnopqrstuvwxyz0123456789", strict=True)) | {".-.-.-": ".", "--..--": ","}
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
_ANY = re2.compile(
    rb"[A-Za-z0-9+/_-]{12}|[0-9a-fA-F]{2}(?:[ :,%-]|\\\\x|,? ?0x)[0-9a-fA-F]{2}|[01]{7}"
    rb"|\d{2,3}[ ,;]+\d{2,3}[ ,;]+\d{2,3}[ ,;]"
    rb"|[.-]{1,6}[ /|]+[.-]{1,6}[ /|]+[.-]{1,6}[ /|]|\xe2\x80\xa2|\xc2\xb7"
)
"""What each of them contains: without it, none is looked for."""
LONGEST = 64 * 1024


def blobs(text: str) -> Iterator[Hidden]:
    """Every run that decodes to something printable."""
    if not _ANY.search(text.encode("utf-8", "replace")):
        return
    yield from _runs(text, _BASE64_LINES, "base64", _from_base64)
    yield from _runs(text, _BASE64, "base64", _from_base64)
    yield from _runs(text, _HEX, "hex", _from_hex)
    yield from _runs(text, _BASE32, "base32", _from_base32)
    yield from _runs(text, _BITS, "binary", _from_bits)
    yield from _runs(text, _CODES, "codes", _from_codes)
    yield from _runs(text, _MORSE, "morse", _from_morse)


def escapes(text: str) -> Iterator[Hidden]:
    """Texts written in escapes: percent, entities, `\\u0041`; resolved where they stand."""
    if text.count("%") >= 3:
        for match in _PERCENT.finditer(text):
            plain = match[0]
            for _ in range(3):
                plain = unquote(plain, errors="replace")
            if match[0].count("%") >= 3 and plain != match[0] and is_printable(plain):
                yield Hidden("percent", *match.span(), plain.replace("+", " "))
    if len(_ENTITY.findall(text)) >= 4:
        yield Hidden("entities", 0, len(text), html.unescape(html.unescape(text)))
    if len(_ESCAPE.findall(text)) >= 4:
        yield Hidden("escapes", 0, len(text), _ESCAPE.sub(_character, text))


def _runs(text: str, pattern: Any, how: str, decode: Callable[[str], str]) -> Iterator[Hidden]:
    for match in pattern.finditer(text):
        if how == "base64" and _DATA_URI.search(text[max(0, match.start() - 60) : match.start()]):
            continue
        try:
            plain = decode(match[0][:LONGEST])
        except (ValueError, binascii.Error, OverflowError):
            continue
        if is_printable(plain) and any(c.isalpha() for c in plain):
            yield Hidden(how, match.start(), match.end(), plain)


def _from_base64(run: str) -> str:
    plain = re.sub(r"\s", "", run).rstrip("=").replace("-", "+").replace("_", "/")
    if plain.isalpha() and (plain.islower() or plain.isupper() or plain.istitle()):
        raise ValueError("a word")
    data = base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "=" * (-len(plain) % 4))
    return _unpacked(data).decode()


def _unpacked(data: bytes) -> bytes:
    """What gzip or zlib packed; a bomb yields no more than `LONGEST` bytes."""
    if not data.startswith(_PACKED):
        return data
    try:
        return zlib.decompressobj(wbits=47).decompress(data, LONGEST)
    except zlib.error as error:
        raise ValueError("not packed after all") from error


def _from_base32(run: str) -> str:
    plain = run.rstrip("=")
    return base64.b32decode(plain + "=" * (-len(plain) % 8)).decode()


def _from_hex(run: str) -> str:
    digits = re.sub(r"0x|\\x|[^0-9a-fA-F]", "", run)
    return bytes.fromhex(digits[: len(digits) & ~1]).decode()


def _from_bits(run: str) -> str:
    groups = re.findall(r"[01]+", run)
    if len(groups) == 1:
        bits = groups[0]
        groups = [bits[i : i + 8] for i in range(0, len(bits) - 7, 8)]
    return bytes(int(group, 2) for group in groups).decode()


def _from_codes(run: str) -> str:
    return bytes(int(code) for code in re.findall(r"\d+", run)).decode("ascii")


def _from_morse(run: str) -> str:
    plain = run.replace("\u00b7", ".").replace("\u2022", ".")
    read = "".join(_LETTERS.get(sign, " " if sign else "") for sign in re.split(r"([ /|])", plain) if sign != " ")
    return re.sub(r"\s+", " ", read)


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2] or match[3], 8 if match[3] else 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
