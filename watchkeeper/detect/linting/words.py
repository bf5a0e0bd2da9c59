"""What a rule says for people: who it is, what may be wrong about it, what to do first, and its own proof."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from watchkeeper.detect.linting.model import Problem, error, hint, warning
from watchkeeper.detect.proving.frameworks import item_of
from watchkeeper.detect.proving.model import Framework
from watchkeeper.detect.sigma.reading.headings import texts

_LEVELS = ("informational", "low", "medium", "high", "critical")
_ATTACK = re.compile(r"attack\.(t[0-9]{4}(\.[0-9]{3})?|[gs][0-9]{4}|ta[0-9]{4}|ds[0-9]{4}|[a-z]+([-_][a-z]+)*)")
"""Short words without repeats inside repeats; tags are cut to `_LONGEST` before."""
_LONGEST = 200


def problems_of(content: Mapping[str, Any], frameworks: Iterable[Framework], *, is_ours: bool) -> Iterator[Problem]:
    """What it does not say, or says wrongly."""
    yield from _identity(content)
    yield from _tags(content.get("tags"), tuple(frameworks))
    if not texts(content.get("falsepositives")):
        yield hint("no-false-positives", "it does not say what may raise it wrongly", "write `falsepositives: [...]`")
    if not texts(content.get("description")):
        yield hint("no-description", "it does not say what it means", "write `description: ...`")
    if is_ours:
        yield from _ours(content)


def _identity(content: Mapping[str, Any]) -> Iterator[Problem]:
    if not texts(content.get("title")):
        yield warning("no-title", "it has no title", "write `title: ...`, in one sentence")
    said = content.get("id")
    if said is None:
        yield warning("no-id", "it has no id, so it goes by its file's name", "write `id:` with a new UUID")
    else:
        try:
            UUID(str(said))
        except ValueError:
            yield warning("no-uuid", "its id is no UUID", "write `id:` with a new UUID")
    level = content.get("level")
    if not isinstance(level, str) or level.casefold() not in _LEVELS:
        word = "it has no level" if level is None else f"there is no level {str(level)[:40]}"
        yield warning("no-level", f"{word}; it counts as medium", f"write one of {', '.join(_LEVELS)}")


def _tags(said: Any, frameworks: tuple[Framework, ...]) -> Iterator[Problem]:
    for tag in (one[:_LONGEST] for one in texts(said)):
        space = tag.partition(".")[0]
        mine = next((one for one in frameworks if one.tag == space), None)
        if mine is not None:
            named = item_of(tag, mine)
            if named not in {one.id for one in (*mine.items, *mine.groups)}:
                yield error("unknown-technique", f"{mine.title} has no {named or tag}", f"see {mine.url}")
        elif space == "attack" and not _ATTACK.fullmatch(tag.casefold()):
            yield error("unknown-technique", f"{tag} is no tag of ATT&CK", "write e.g. attack.t1059.001")


def _ours(content: Mapping[str, Any]) -> Iterator[Problem]:
    said = content.get("watchkeeper")
    ours: Mapping[str, Any] = said if isinstance(said, dict) else {}
    if not texts(ours.get("response")):
        yield warning("no-response", "it does not say what to do first", "write `watchkeeper: {response: ...}`")
    tests = ours.get("tests")
    tests = tests if isinstance(tests, dict) else {}
    if "detection" in content or "correlation" in content:
        for name, word in (("match", "must match"), ("clean", "must not match")):
            if not tests.get(name):
                yield warning("no-tests", f"it has no example that it {word}", f"write `watchkeeper.tests.{name}`")
