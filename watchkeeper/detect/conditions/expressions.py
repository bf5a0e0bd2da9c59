"""The literal texts that a regular expression needs, from a parse of it. Pure.

The expression runs on RE2; it is parsed here by Python's parser, which reads the same language where both accept it.
Where they could read it differently, nothing is said. Only the parser is used, never Python's engine.
"""

from __future__ import annotations

import re._constants as codes  # type: ignore[import-not-found,unused-ignore]
import re._parser as parser  # type: ignore[import-not-found,unused-ignore]
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

Texts = frozenset[str]
"""Alternatives: one of them is in every text that matches. Case-folded."""

_MOST = 64
"""Alternatives."""
_LONGEST = 64
"""Characters of one."""
_READ_DIFFERENTLY = ("[[", "[:", "(?x", "\\Q", "\\p", "\\P", "\\C", "\\z", "\\x{", "(?U", "{,")


def literals_of(source: str, flags: str = "") -> list[Texts]:
    """Sets of texts, of each of which one is in every match; none when nothing is sure. `flags`: some of i, m, s."""
    escapes = source.replace("\\\\", "")
    if any(mark in escapes for mark in _READ_DIFFERENTLY):
        return []
    ignore = 0x02 if "i" in flags else 0  # re.IGNORECASE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(source, ignore)
    except Exception:  # noqa: BLE001 — a private parser: whatever it says, RE2 decides what a rule may say
        return []
    # a flag anywhere in the text may let any letter stand for others
    ascii_only = "i" in flags or "(?" in source
    return [texts for texts in _needed(tree, ascii_only) if all(texts)]


def _needed(items: Iterable[Any], ascii_only: bool) -> Iterator[Texts]:
    """The needs of a sequence: of its runs of letters, and of whatever else must match."""
    runs: set[str] = {""}
    for operation, argument in items:
        letters = _letters(operation, argument, ascii_only)
        if letters is not None and len(runs) * len(letters) <= _MOST and max(map(len, runs)) < _LONGEST:
            runs = {run + letter for run in runs for letter in letters}
            continue
        yield frozenset(runs)
        runs = letters if letters is not None else {""}
        if letters is None:
            yield from _inside(operation, argument, ascii_only)
    yield frozenset(runs)


def _letters(operation: Any, argument: Any, ascii_only: bool) -> set[str] | None:
    """The texts that this item is one of; `None` when it is more than a few."""
    if operation is codes.LITERAL:
        return None if ascii_only and argument > 127 else {chr(argument).casefold()}
    if operation is codes.IN and len(argument) <= 4 and all(kind is codes.LITERAL for kind, _ in argument):
        if ascii_only and any(letter > 127 for _, letter in argument):
            return None
        return {chr(letter).casefold() for _, letter in argument}
    if operation is codes.SUBPATTERN:
        return _whole(argument[-1], ascii_only)
    if operation is codes.BRANCH:
        texts: set[str] = set()
        for branch in argument[1]:
            whole = _whole(branch, ascii_only)
            if whole is None:
                return None
            texts |= whole
        return texts if len(texts) <= _MOST else None
    return {""} if operation is codes.AT else None


def _whole(items: Iterable[Any], ascii_only: bool) -> set[str] | None:
    """Every text that a sequence can be; `None` when these are more than a few."""
    texts = {""}
    for operation, argument in items:
        letters = _letters(operation, argument, ascii_only)
        if letters is None or len(texts) * len(letters) > _MOST:
            return None
        texts = {text + letter for text in texts for letter in letters}
    return texts


def _inside(operation: Any, argument: Any, ascii_only: bool) -> Iterator[Texts]:
    """The needs of something that is more than letters."""
    if operation is codes.SUBPATTERN:
        yield from _needed(argument[-1], ascii_only)
    elif operation in (codes.MAX_REPEAT, codes.MIN_REPEAT) and argument[0] > 0:
        yield from _needed(argument[2], ascii_only)
    elif operation is codes.BRANCH:
        best = [_best(_needed(branch, ascii_only)) for branch in argument[1]]
        if all(best) and sum(map(len, best)) <= _MOST:
            yield frozenset().union(*best)


def _best(needs: Iterable[Texts]) -> Texts:
    """The need whose shortest text is the longest; empty when there is none."""
    return max((texts for texts in needs if all(texts)), key=lambda texts: min(map(len, texts)), default=frozenset())
