"""Many patterns in one pass: which of them match a text? Hyperscan where there is a wheel for it, RE2 elsewhere.

Both give the same answer (tests/inspection/test_matcher.py): where a pattern matched is looked up afterwards, with RE2
on every host, and only for the patterns that hit.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import stat
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import re2

from watchkeeper.core.errors import Misconfigured, WatchkeeperError
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.inspection.alternatives import alternatives
from watchkeeper.inspection.rules import options

hyperscan: Any
try:
    hyperscan = importlib.import_module("hyperscan")
except ImportError:  # no wheel for this platform
    hyperscan = None

_log = logging.getLogger(__name__)

Pattern = tuple[bytes, bool]
"""A portable pattern, and whether case matters."""


class Matcher(Protocol):
    """Says which patterns match, by their position in the sequence it was made of. Safe for many threads."""

    def hits(self, data: bytes) -> list[int]:
        """Positions of the patterns that match somewhere, ascending, each once."""
        ...


def make_matcher(patterns: Sequence[Pattern], cache: Path | None = None) -> Matcher:
    """The fastest matcher of this host; `cache` is a private folder that keeps compiled databases.

    Raises `Misconfigured` for a pattern that does not compile.
    """
    if hyperscan is None:
        return Re2Matcher(patterns)
    return HyperscanMatcher(patterns, cache)


class Re2Matcher:
    """RE2 sets, one for each kind of case."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._sets: list[tuple[Any, list[int]]] = []
        for case in (False, True):
            members = [i for i, (_, exact) in enumerate(patterns) if exact is case]
            if not members:
                continue
            chosen = options(case)
            chosen.max_mem = 256 << 20  # a set that runs out of memory would silently match nothing
            group = re2.Set.SearchSet(chosen)
            for index in members:
                try:
                    group.Add(patterns[index][0])
                except re2.error as error:
                    raise Misconfigured(f"pattern {patterns[index][0]!r}: {error}") from error
            group.Compile()
            self._sets.append((group, members))

    def hits(self, data: bytes) -> list[int]:
        found: list[int] = []
        for group, members in self._sets:
            found += [members[i] for i in group.Match(data) or ()]
        return sorted(found)


class HyperscanMatcher:
    """One Hyperscan database; one scratch for each thread, made on first use."""

    def __init__(self, patterns: Sequence[Pattern], cache: Path | None = None) -> None:
        self._database = _load(patterns, cache)
        self._local = threading.local()

    def hits(self, data: bytes) -> list[int]:
        found: list[int] = []
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        self._database.scan(data, match_event_handler=_note, context=found, scratch=scratch)
        return sorted(set(found)) if len(found) > 1 else found


def _note(index: int, _start: int, _end: int, _flags: int, found: list[int]) -> None:
    found.append(index)


def _load(patterns: Sequence[Pattern], cache: Path | None) -> Any:
    if cache is None:
        return _compile(tuple(patterns))
    digest = hashlib.sha256(repr((hyperscan.__version__, _compile_host(), list(patterns))).encode())
    path = cache / f"patterns-{digest.hexdigest()}.hs"
    try:
        make_private_folder(cache)
        if _is_ours(path):
            return hyperscan.loadb(path.read_bytes(), hyperscan.HS_MODE_BLOCK)
    except (OSError, WatchkeeperError, hyperscan.error) as error:
        _log.warning("the compiled patterns in %s cannot be used: %s", cache, error)
    database = _compile(tuple(patterns))
    try:
        write_private(path, hyperscan.dumpb(database))
    except WatchkeeperError as error:
        _log.warning("the compiled patterns cannot be kept in %s: %s", cache, error)
    return database


@lru_cache(maxsize=8)
def _compile(patterns: tuple[Pattern, ...]) -> Any:
    """A second for the patterns of all inspectors; nothing changes a database, so who asks for the same shares it."""
    base = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    parts = [(part, at, case) for at, (pattern, case) in enumerate(patterns) for part in alternatives(pattern)]
    try:
        database.compile(
            expressions=[part for part, _, _ in parts],
            ids=[at for _, at, _ in parts],
            elements=len(parts),
            flags=[base if case else base | hyperscan.HS_FLAG_CASELESS for _, _, case in parts],
        )
    except hyperscan.error as error:
        raise Misconfigured(f"the patterns do not compile: {error}", hint="see docs/concepts/inspection.md") from error
    return database


def _compile_host() -> str:
    return f"{os.uname().sysname}/{os.uname().machine}"


def _is_ours(path: Path) -> bool:
    """A database is code to Hyperscan: only a file of ours that nobody else can write is loaded."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_uid == os.getuid() and not facts.st_mode & 0o022
