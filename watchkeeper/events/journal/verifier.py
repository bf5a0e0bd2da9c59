#!/usr/bin/env python3
"""Check a Watchkeeper journal proof. One file, the Python standard library, nothing else.

    python verifier.py PROOF.json [--key KEY]

Shows, step by step, that the record is the one its entry was made from, that the entry is a leaf of the Merkle tree
(RFC 9162), and that the tree's root stands in a checkpoint (C2SP signed note) that the log's key signed (Ed25519, RFC
8032).

KEY is the log's public key as you know it from elsewhere: the text itself (`NAME+HASH+BASE64`) or a file that holds
it. Without it, the key inside the proof is used, which shows only that the proof fits together.

Exit codes: 0 the proof holds · 1 it does not · 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "watchkeeper-proof/1"


class Refused(Exception):
    """The proof does not hold; the message says at which step."""


class Unreadable(Exception):
    """This is no proof."""


# ── Ed25519, RFC 8032, section 5.1; verification only, so nothing here needs to run in constant time ──

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, x·y = T/Z."""


def _recover_x(y: int, sign: int) -> int | None:
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _recover_x(_BASE_Y, 0) or 0
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)


def _add(left: _Point, right: _Point) -> _Point:
    a = (left[1] - left[0]) * (right[1] - right[0]) % _P
    b = (left[1] + left[0]) * (right[1] + right[0]) % _P
    c = 2 * left[3] * right[3] * _D % _P
    d = 2 * left[2] * right[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decompress(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= _P:
        return None
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def ed25519_is_valid(public: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032, 5.1.7, without cofactor."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _decompress(public), _decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    left, right = _multiply(scalar, _BASE), _add(commitment, _multiply(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


# ── the Merkle tree, RFC 9162, section 2.1 ──


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that the path leads to (2.1.3.2), or `None` when it has the wrong length."""
    if not 0 <= index < size:
        return None
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            result = hashlib.sha256(b"\x01" + sibling + result).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = hashlib.sha256(b"\x01" + result + sibling).digest()
        node >>= 1
        last >>= 1
    return result if last == 0 else None


# ── notes and keys, c2sp.org/signed-note and c2sp.org/tlog-checkpoint ──


def read_key(text: str) -> tuple[str, bytes, bytes]:
    """(name, key hash, raw public key) of a verifier key."""
    parts = text.strip().split("+", 2)
    data = _bytes(parts[2]) if len(parts) == 3 else b""
    if len(data) != 33 or data[0] != 1:
        raise Unreadable("the key is not an Ed25519 verifier key (NAME+HASH+BASE64)")
    name, public = parts[0], data[1:]
    wanted = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    if wanted.hex() != parts[1]:
        raise Unreadable("the key's hash does not fit the key")
    return name, wanted, public


def check_note(note: str, key: str) -> tuple[int, bytes]:
    """(tree size, root) of a checkpoint that `key` signed."""
    name, key_hash, public = read_key(key)
    text, blank, signatures = note.partition("\n\n")
    lines = text.split("\n")
    if not blank or len(lines) < 3 or not lines[1].isdigit():
        raise Unreadable("the checkpoint is no signed note")
    if lines[0] != name:
        raise Refused(f"the checkpoint is of another log: {lines[0]}")
    for line in signatures.splitlines():
        if not line.startswith(f"\u2014 {name} "):
            continue
        data = _bytes(line.rpartition(" ")[2])
        if data[:4] == key_hash and ed25519_is_valid(public, data[4:], f"{text}\n".encode()):
            return int(lines[1]), _bytes(lines[2])
    raise Refused("the checkpoint is not signed by this key")


# ── the proof ──


def check(proof: dict[str, Any], key: str = "") -> list[str]:
    """What was shown, one sentence a step. Raises `Refused` or `Unreadable`."""
    record, salt, entry = _text(proof, "record").encode(), _bytes(_text(proof, "salt")), _bytes(_text(proof, "entry"))
    path = proof.get("path")
    index, size = proof.get("index"), proof.get("size")
    if proof.get("format") != FORMAT or type(index) is not int or type(size) is not int or not isinstance(path, list):
        raise Unreadable(f"not a proof of the format {FORMAT}")
    if entry != b"\x01" + hmac.new(salt, record, hashlib.sha256).digest():
        raise Refused("the record is not the one the entry was made from")
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    root = root_from_path(leaf, index, size, [_bytes(sibling) for sibling in path])
    signed_size, signed_root = check_note(_text(proof, "checkpoint"), key or _text(proof, "key"))
    if signed_size != size:
        raise Refused("the checkpoint is about a tree of another size")
    if root is None or root != signed_root:
        raise Refused("the path does not lead to the signed root")
    return [
        "record      matches its salted entry (HMAC-SHA256)",
        f"inclusion   entry {index} is in the tree of {size} (RFC 9162)",
        f"signature   the root {root.hex()[:16]}\u2026 is signed by {read_key(key or _text(proof, 'key'))[0]}",
    ]


def describe(record: str) -> str:
    """Kind, time and actor of the record, fit for a terminal."""
    event = json.loads(record)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 — this file also runs on Python 3.10
    when = epoch + timedelta(microseconds=int(event["time"]))
    shown = [str(event["kind"]), when.isoformat(), f"actor {event.get('actor') or 'unverified'}", f"id {event['id']}"]
    return " · ".join(ascii(part)[1:-1] for part in shown)


def _text(proof: dict[str, Any], name: str) -> str:
    value = proof.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"the proof has no {name}")
    return value


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise Unreadable("the proof holds something that is not base64") from error


def _say(code: int, line: str) -> NoReturn:
    print(line, file=sys.stderr if code else sys.stdout)
    sys.exit(code)


def main(arguments: list[str] | None = None) -> NoReturn:
    """The command."""
    parser = argparse.ArgumentParser(description="Check a Watchkeeper journal proof.")
    parser.add_argument("proof", type=Path, help="the proof, a JSON file")
    parser.add_argument("--key", default="", help="the log's public key as known from elsewhere, or a file with it")
    options = parser.parse_args(arguments)
    try:
        key = options.key
        if key and "+" not in key:
            key = Path(key).read_text(encoding="utf-8")
        proof = json.loads(options.proof.read_bytes())
        if not isinstance(proof, dict):
            raise Unreadable("the proof is not a JSON object")
        steps = check(proof, key)
        about = describe(proof["record"])
    except Refused as error:
        _say(1, f"REFUSED: {error}")
    except (Unreadable, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        _say(2, f"UNREADABLE: {error}")
    warning = "" if key else "\nNOTE: checked with the key inside the proof. Give --key with the key you know."
    _say(0, "\n".join((about, *steps, f"PROVEN{warning}")))


if __name__ == "__main__":
    main()
