"""Whether a rule about our own events reads what these events have, as the catalogue of events says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache

from watchkeeper.detect.linting.model import Problem, warning
from watchkeeper.events.catalogue import ENTRIES
from watchkeeper.events.catalogue.fields import lines_of
from watchkeeper.events.kinds import KINDS


def problems_of(reads: Iterable[str], kinds: Iterable[str] | None, domain: str) -> Iterator[Problem]:
    """Members of bodies that no kind of event has which the rule looks at."""
    looked = [kind for kind in (KINDS if kinds is None else kinds) if kind in ENTRIES and kind.startswith(domain)]
    for name in sorted(reads):
        path = name.removeprefix("body.")
        if path == name or not looked or any(_has(kind, path) for kind in looked):
            continue
        near = difflib.get_close_matches(path, {one for kind in looked for one in _paths(kind)}, n=1)
        where = looked[0] if len(looked) == 1 else f"the {len(looked)} kinds it looks at"
        yield warning(
            "unknown-field",
            f"no event of {where} has {name}",
            f"did you mean body.{near[0]}?" if near else "see `watchkeeper events kinds KIND`",
        )


@cache
def _paths(kind: str) -> dict[str, bool]:
    """The members of a body as rules write them, and whether anything may be inside of them."""
    lines = lines_of(kind)
    paths = {line.path.replace("[]", "").replace(".*", ".?"): "object" in line.type for line in lines}
    return {path: free and not any(other.startswith(f"{path}.") for other in paths) for path, free in paths.items()}


def _has(kind: str, path: str) -> bool:
    if ENTRIES[kind].open:
        return True
    words = path.split(".")
    return any(_fits(known.split("."), words, is_free=free) for known, free in _paths(kind).items())


def _fits(known: list[str], words: list[str], *, is_free: bool) -> bool:
    """Whether the words are this member, or inside of one that may hold anything."""
    if len(words) < len(known) or (len(words) > len(known) and not is_free):
        return False
    return all(mine in ("?", word) for mine, word in zip(known, words, strict=False))
