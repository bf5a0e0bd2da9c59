"""What a folder of rules was read as, kept as MessagePack by the hash of every file and of what reads them.

1. A cache is data: it is decoded into the types it must have, never unpickled.
2. It is used only when its own hash fits, and is rebuilt from the files in every other case: nobody loses by it.
3. Only the newest few are kept.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import msgspec
import zstandard

from watchkeeper.detect.sigma.files.documents import LARGEST
from watchkeeper.detect.sigma.loading import files_of, load
from watchkeeper.detect.sigma.model import Rulebook
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists

_FORM = b"watchkeeper-rulebook-1\n"
"""Changes with what is stored; our version and pySigma's are part of the key beside it."""
_KEPT = 8
_LARGEST = 512 * 1024 * 1024
_SUFFIX = ".rulebook"


def load_cached(
    paths: Iterable[Path], lists: Lists = NO_LISTS, *, folder: Path, told: Callable[[int], None] = lambda _: None
) -> Rulebook:
    """`loading.load`, from the cache in `folder` where it has it; a folder that cannot be written costs time only."""
    named = list(paths)
    at = folder / f"{_key(files_of(named), lists)}{_SUFFIX}"
    book = _kept(at)
    if book is None:
        book = load(named, lists, told=told)
        _keep(at, book)
    return book


def _key(files: list[Path], lists: Lists) -> str:
    digest = hashlib.sha256(_FORM)
    for part in (version("watchkeeper"), version("pysigma"), *(repr((name, lists[name])) for name in sorted(lists))):
        digest.update(_sealed(part.encode("utf-8", "backslashreplace")))
    for path in files:
        digest.update(_sealed(os.fsencode(path)))
        digest.update(_sealed(_content(path)))
    return digest.hexdigest()


def _sealed(part: bytes) -> bytes:
    """Of a length that says itself, so that no two lists of parts are one text."""
    return len(part).to_bytes(8, "big") + part


def _content(path: Path) -> bytes:
    """What is read of a file; one that cannot be read is told by `load`."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        return b"\0unreadable " + str(error.errno).encode()


def _kept(at: Path) -> Rulebook | None:
    try:
        raw = at.read_bytes()
        form, seal, packed = raw[: len(_FORM)], raw[len(_FORM) : len(_FORM) + 32], raw[len(_FORM) + 32 :]
        if form != _FORM or hashlib.sha256(packed).digest() != seal:
            return None
        data = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST)
        book = msgspec.msgpack.decode(data, type=Rulebook)
        os.utime(at)
    except (OSError, zstandard.ZstdError, msgspec.DecodeError, RecursionError, ValueError):
        return None
    return book


def _keep(at: Path, book: Rulebook) -> None:
    try:
        packed = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(book))
        for folder in (*reversed(at.parents), at.parent):  # nobody else's, also those above that were not there
            folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=at.parent, suffix=".new", delete=False) as file:  # of mode 0600
            file.write(_FORM + hashlib.sha256(packed).digest() + packed)
        Path(file.name).replace(at)
        kept = sorted(at.parent.glob(f"*{_SUFFIX}"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
        for old in kept[_KEPT:]:
            old.unlink(missing_ok=True)
    except (OSError, OverflowError):
        return
