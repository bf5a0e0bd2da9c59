#!/usr/bin/env python3
"""Check a Watchkeeper journal proof, or a log's tiles. One file, the Python standard library, nothing else.

    python verifier.py PROOF.json [--key KEY]
    python verifier.py REPORT.json [--key KEY ...]
    python verifier.py --tiles URL_OR_FOLDER --key KEY [--from OLD.note ...] [--save NEW.note] [--all] [PROOF.json]

Shows, step by step, that the record is the one its entry was made from, that the entry is a leaf of the Merkle tree
(RFC 9162), and that the tree's root stands in a checkpoint (C2SP signed note) that the log's key signed (Ed25519, RFC
8032).

KEY is the log's public key as you know it from elsewhere: the text itself (`NAME+HASH+BASE64`) or a file that holds
it. Without it, the key inside the proof is used, which shows only that the proof fits together.

A REPORT of `watchkeeper privacy verify` is checked by its signature; if it is about an erasure, also that the entries
of the erased records, or of a sample of them, are leaves of the trees that their logs' keys signed. Each log has a key
of its own, so --key may be given more than once.

With --tiles, the log's checkpoint is fetched and its signature checked, and the root is computed again from the tiles
(c2sp.org/tlog-tiles). With --from, so is the root at the size of a checkpoint that you kept earlier: the log only grew
since. With a proof, its entry is looked up in the tree of today. With --all, every tile and every entry is fetched and
hashed. With --save, the checkpoint is kept for the next time.

Exit codes: 0 it holds · 1 it does not · 2 it cannot be read or reached, which shows nothing.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sys
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

FORMAT = "watchkeeper-proof/1"
ABSENCE = "watchkeeper-absence/1"


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


def entry_of(version: bytes, salt: bytes, record: bytes) -> bytes:
    """The entry of a record: a salted SHA-256, or an HMAC-SHA256 in the first logs."""
    if version == b"\x02" and len(salt) == 32:
        return version + hashlib.sha256(salt + record).digest()
    if version == b"\x01":
        return version + hmac.new(salt, record, hashlib.sha256).digest()
    raise Refused(f"entries of version {version.hex() or 'none'} are not known here")


def check(proof: dict[str, Any], key: str = "") -> list[str]:
    """What was shown, one sentence a step. Raises `Refused` or `Unreadable`."""
    record, salt, entry = _text(proof, "record").encode(), _bytes(_text(proof, "salt")), _bytes(_text(proof, "entry"))
    path = proof.get("path")
    index, size = proof.get("index"), proof.get("size")
    if proof.get("format") != FORMAT or type(index) is not int or type(size) is not int or not isinstance(path, list):
        raise Unreadable(f"not a proof of the format {FORMAT}")
    if entry != entry_of(entry[:1], salt, record):
        raise Refused("the record is not the one the entry was made from")
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    root = root_from_path(leaf, index, size, [_bytes(sibling) for sibling in path])
    signed_size, signed_root = check_note(_text(proof, "checkpoint"), key or _text(proof, "key"))
    if signed_size != size:
        raise Refused("the checkpoint is about a tree of another size")
    if root is None or root != signed_root:
        raise Refused("the path does not lead to the signed root")
    return [
        "record      matches its salted entry (SHA-256)",
        f"inclusion   entry {index} is in the tree of {size} (RFC 9162)",
        f"signature   the root {root.hex()[:16]}\u2026 is signed by {read_key(key or _text(proof, 'key'))[0]}",
    ]


# ── a report that somebody's data is not there ──


def check_absence(report: dict[str, Any], keys: list[str]) -> list[str]:
    """What the report says, one sentence a line, if it is signed and its erased entries are in the signed logs.

    `keys` are those known from elsewhere, of the signer and of other logs. That what the report says of stores is true
    is the signer's word.
    """
    known = {read_key(key)[0]: key for key in keys}
    signer = _text(report, "key")
    if keys:
        signer = known.get(read_key(signer)[0], keys[0])
    name, key_hash, public = read_key(signer)
    text, data = _text(report, "statement"), _bytes(_text(report, "signature"))
    if data[:4] != key_hash or not ed25519_is_valid(public, data[4:], f"{ABSENCE}\n{text}\n".encode()):
        raise Refused("the report is not signed by this key")
    said = json.loads(text)
    places = [
        f"{ascii(one['store'])[1:-1]}: {one['verdict']}, own {int(one['own'])}, mentions {int(one['mentions'])}"
        for one in said["places"]
    ]
    verdict = "absent" if said["is_absent"] is True else "NOT absent"
    paths = [line for one in said.get("inclusions", ()) for line in _check_erased(said, one, known)]
    if said.get("why_none") or (said.get("erasure", {}).get("positions") and not paths):
        paths = [f"inclusion   none shown: {ascii(said.get('why_none', ''))[1:-1]}"]
    return [f"subject     {ascii(said['subject'])[1:-1]}: {verdict}", *places, *paths, f"signature   by {name}"]


def _check_erased(said: dict[str, Any], log: dict[str, Any], known: dict[str, str]) -> list[str]:
    """The entries at the erased positions of a log are leaves of the tree that its key signed."""
    named = _text(log, "key")
    key = known.get(read_key(named)[0], named)
    size, root = check_note(_text(log, "checkpoint"), key)
    ranges = said["erasure"]["positions"][_text(log, "writer")]
    seen: set[int] = set()
    for one in log["entries"]:
        index, path = one["index"], one["path"]
        if type(index) is not int or not isinstance(path, list) or index in seen:
            raise Unreadable("the report has something that is no path of an entry")
        if not any(first <= index <= last for first, last in ranges):
            raise Refused(f"entry {index} is none that the erasure names")
        leaf = hashlib.sha256(b"\x00" + _bytes(one["entry"])).digest()
        if root_from_path(leaf, index, size, [_bytes(sibling) for sibling in path]) != root:
            raise Refused(f"the path of entry {index} does not lead to the signed root")
        seen.add(index)
    total = sum(last - first + 1 for first, last in ranges)
    by = read_key(key)[0] + ("" if read_key(named)[0] in known else ", whose key only the report says")
    how_many = f"all {total}" if len(seen) == total else f"{len(seen)} of {total}, a sample,"
    return [f"inclusion   {how_many} erased entries are in the tree of {size} (RFC 9162), signed by {by}"]


# ── tiles, c2sp.org/tlog-tiles ──

_LARGEST = 65_536
"""Bytes of anything that is fetched."""


def tile_path(level: str, number: int, width: int) -> str:
    """`tile/0/x001/234.p/5`."""
    digits = [f"{number % 1000:03d}"]
    while number := number // 1000:
        digits.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(digits)}" + (f".p/{width}" if width < 256 else "")


class Tiles:
    """The tree of `size` entries behind one prefix: a URL or a folder. What it gives is only as good as its root."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.rstrip("/")
        self._kept: dict[tuple[int, int], list[bytes]] = {}
        self.size = 0
        self.note = b""

    def get(self, path: str) -> bytes:
        """What lies at a path below the prefix."""
        if "://" not in self._prefix:
            with (Path(self._prefix) / path).open("rb") as file:
                return file.read(_LARGEST + 1)
        if not self._prefix.startswith(("http://", "https://")):
            raise Unreadable("tiles lie in a folder or behind http(s)")
        with urllib.request.urlopen(f"{self._prefix}/{path}", timeout=30) as answer:  # noqa: S310 — http(s) only, above
            return bytes(answer.read(_LARGEST + 1))

    def tile(self, level: int, number: int) -> list[bytes]:
        """The hashes of a tile, as many as the tree has."""
        known = self._kept.get((level, number))
        if known is None:
            data = self._get_tile(str(level), number, (self.size >> 8 * level) - 256 * number, 32)
            known = [data[at : at + 32] for at in range(0, len(data), 32)]
            if len(self._kept) > 512:
                self._kept.clear()
            self._kept[level, number] = known
        return known

    def entries(self, number: int) -> list[bytes]:
        """The entries behind the leaves of a tile of level 0."""
        data = self._get_tile("entries", number, self.size - 256 * number, 35)
        parts = [data[at : at + 35] for at in range(0, len(data), 35)]
        if not all(part.startswith(b"\x00\x21") for part in parts):
            raise Refused(f"bundle {number} of entries is not made of entries of 33 bytes")
        return [part[2:] for part in parts]

    def node(self, level: int, index: int) -> bytes:
        """The root of the complete subtree of 2**level entries that begins at entry index * 2**level."""
        within = level % 8
        first = index << within
        hashes = self.tile(level // 8, first >> 8)[first & 255 : (first & 255) + (1 << within)]
        while len(hashes) > 1:
            hashes = [_node(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def root(self, begin: int, end: int) -> bytes:
        """The tree hash of the entries from `begin` to `end` (RFC 9162, 2.1.1)."""
        count = end - begin
        if count & (count - 1) == 0 and begin % count == 0:
            return self.node(count.bit_length() - 1, begin // count)
        middle = begin + (1 << (count - 1).bit_length() - 1)
        return _node(self.root(begin, middle), self.root(middle, end))

    def inclusion(self, index: int, begin: int, end: int) -> list[bytes]:
        """The path of an entry (2.1.3.1)."""
        if end - begin == 1:
            return []
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if index < middle:
            return [*self.inclusion(index, begin, middle), self.root(middle, end)]
        return [*self.inclusion(index, middle, end), self.root(begin, middle)]

    def consistency(self, old: int, begin: int, end: int, *, whole: bool = True) -> list[bytes]:
        """The proof that the first `old` entries of a range are those of before (2.1.4.1)."""
        if old == end:
            return [] if whole else [self.root(begin, end)]
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if old <= middle:
            return [*self.consistency(old, begin, middle, whole=whole), self.root(middle, end)]
        return [*self.consistency(old, middle, end, whole=False), self.root(begin, middle)]

    def _get_tile(self, level: str, number: int, width: int, each: int) -> bytes:
        width = min(256, width)
        try:
            data = self.get(tile_path(level, number, width))
        except OSError:
            if width == 256:
                raise
            data = self.get(tile_path(level, number, 256))  # it became full since the checkpoint
        if len(data) not in (width * each, 256 * each):
            raise Refused(f"the tile {tile_path(level, number, width)} has the wrong length")
        return data[: width * each]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2: whether the tree of `size` begins with the tree of `old`, both not empty."""
    if old == size:
        return not proof and old_root == root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = _node(sibling, before), _node(sibling, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = _node(after, sibling)
        node, last = node >> 1, last >> 1
    return before == old_root and after == root and last == 0


def check_tiles(tiles: Tiles, key: str, kept: list[str], proof: dict[str, Any] | None, *, every: bool) -> list[str]:
    """What was shown, one sentence a step. Raises `Refused` or `Unreadable`."""
    tiles.note = tiles.get("checkpoint")
    size, root = check_note(tiles.note.decode(), key)
    tiles.size = size
    steps = [f"signature   the tree of {size} is signed by {read_key(key)[0]}"]
    if size == 0 or tiles.root(0, size) != root:
        raise Refused("the tiles do not lead to the signed root")
    steps.append(f"root        computed again from the tiles: {root.hex()}")
    for text in kept:
        old, old_root = check_note(text, key)
        if old > size:
            raise Refused(f"the log has {size} entries and had {old}: it was cut")
        if old and not is_consistent(old, old_root, size, root, tiles.consistency(old, 0, size)):
            raise Refused(f"the first {old} entries are not those of the checkpoint that was kept: it was rewritten")
        steps.append(f"consistency the tree of {size} begins with the tree of {old} that was kept (RFC 9162)")
    if proof is not None:
        steps += _check_entry(tiles, key, proof, size, root)
    if every:
        _check_every(tiles, size)
        steps.append(f"everything  {size} entries hash to their leaves, and every tile to the one above")
    return steps


def _check_entry(tiles: Tiles, key: str, proof: dict[str, Any], size: int, root: bytes) -> list[str]:
    steps = check(proof, key)[:1]
    index, entry = int(proof["index"]), _bytes(_text(proof, "entry"))
    if index >= size:
        raise Refused(f"the proof's entry {index} is not in the log of {size}: it was cut")
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    if root_from_path(leaf, index, size, tiles.inclusion(index, 0, size)) != root:
        raise Refused(f"the log has another entry at {index} than the proof")
    return [*steps, f"inclusion   entry {index} is in the log's tree of {size} today (RFC 9162)"]


def _check_every(tiles: Tiles, size: int) -> None:
    for number in range((size + 255) // 256):
        leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in tiles.entries(number)]
        if leaves != tiles.tile(0, number):
            raise Refused(f"bundle {number} of entries does not hash to its tile")
    level, count = 1, size >> 8
    while count:
        for index in range(count):
            below = tiles.tile(level - 1, index)
            while len(below) > 1:
                below = [_node(below[at], below[at + 1]) for at in range(0, len(below), 2)]
            if below[0] != tiles.tile(level, index >> 8)[index & 255]:
                raise Refused(f"tile {index} of level {level - 1} does not hash to the one above")
        level, count = level + 1, count >> 8


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
    parser = argparse.ArgumentParser(description="Check a Watchkeeper journal proof, or a log's tiles.")
    parser.add_argument("proof", type=Path, nargs="?", help="the proof, a JSON file")
    parser.add_argument(
        "--key", action="append", default=[], help="a log's public key as known from elsewhere, or a file with it"
    )
    parser.add_argument("--tiles", default="", help="URL or folder of the log's tiles")
    parser.add_argument("--from", dest="kept", type=Path, action="append", default=[], help="a checkpoint kept earlier")
    parser.add_argument("--save", type=Path, help="keep the checkpoint that was checked in this file")
    parser.add_argument("--all", dest="every", action="store_true", help="check every tile and every entry")
    options = parser.parse_args(arguments)
    if not options.tiles and options.proof is None:
        parser.error("give a proof, or --tiles")
    if options.tiles and not options.key:
        parser.error("--tiles needs --key: without the key you know, nothing would be shown")
    try:
        _run(options)
    except Refused as error:
        _say(1, f"REFUSED: {error}")
    except (Unreadable, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        _say(2, f"UNREADABLE: {error}")


def _run(options: argparse.Namespace) -> NoReturn:
    keys = [key if "+" in key else Path(key).read_text(encoding="utf-8") for key in options.key]
    key = keys[0] if keys else ""
    proof: dict[str, Any] = json.loads(options.proof.read_bytes()) if options.proof is not None else {}
    if not isinstance(proof, dict):
        raise Unreadable("the proof is not a JSON object")
    if proof.get("format") == ABSENCE:
        steps = check_absence(proof, keys)
        warning = "" if key else "\nNOTE: checked with the key inside the report. Give --key with the key you know."
        _say(0, "\n".join((*steps, f"SIGNED{warning}")))
    about = [describe(proof["record"])] if options.proof is not None else []
    if not options.tiles:
        steps = check(proof, key)
        warning = "" if key else "\nNOTE: checked with the key inside the proof. Give --key with the key you know."
        _say(0, "\n".join((*about, *steps, f"PROVEN{warning}")))
    tiles = Tiles(options.tiles)
    kept = [path.read_text(encoding="utf-8") for path in options.kept]
    steps = check_tiles(tiles, key, kept, proof if about else None, every=options.every)
    if options.save is not None:
        options.save.write_bytes(tiles.note)
    if not kept:
        steps.append(
            "NOTE: with no checkpoint kept from earlier, this shows that the log fits together, not that it grew"
        )
    _say(0, "\n".join((*about, *steps, "HOLDS")))


if __name__ == "__main__":
    main()
