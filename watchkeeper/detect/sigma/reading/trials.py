"""The tests that a correlation carries: sequences of events with times, under `watchkeeper.tests`.

    tests:
      match:
        - [{at: 0, kind: ...}, {at: 90, kind: ...}]
      clean:
        - [{at: 0, kind: ...}]

`at` is in seconds from a moment that the test does not name; an event is written as in the tests of a rule. With
`repeat: 5` it stands for five of them, one a second, and `{n}` in a text of it is 0 in the first, 1 in the second, …
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.events import Event

_START = 1_790_000_000 * SECOND
_MOST = 10_000
Sequence = tuple[Event, ...]


class Trials(msgspec.Struct, frozen=True):
    """Of one correlation."""

    match: tuple[Sequence, ...] = ()
    """Sequences in which it must be told."""
    clean: tuple[Sequence, ...] = ()
    """Sequences in which it must not."""


class _Tests(msgspec.Struct, forbid_unknown_fields=True):
    match: list[list[dict[str, Any]]] = []
    clean: list[list[dict[str, Any]]] = []


class _Ours(msgspec.Struct, forbid_unknown_fields=True):
    """The custom key `watchkeeper` of a correlation."""

    playbook: str = ""
    response: str = ""
    tests: _Tests = msgspec.field(default_factory=_Tests)


def read_trials(document: Document) -> Trials:
    """What a document tests of itself. Raises `Misconfigured`, naming the file."""
    try:
        tests = msgspec.convert(document.content.get("watchkeeper", {}), _Ours).tests
        return Trials(tuple(map(_sequence, tests.match)), tuple(map(_sequence, tests.clean)))
    except msgspec.ValidationError as error:
        raise Misconfigured(
            f"{document.source}: {error}", hint="a test of a correlation is a list of events, each with `at` in seconds"
        ) from error


def _sequence(said: list[dict[str, Any]]) -> Sequence:
    """The events, in the order of the file."""
    events: list[Event] = []
    for one in map(dict, said):
        at, times = one.pop("at", 0), one.pop("repeat", 1)
        if not isinstance(at, int | float) or not isinstance(times, int) or not 0 < times <= _MOST:
            raise msgspec.ValidationError("`at` is in seconds, and `repeat` a number of times")
        for turn in range(times):
            place = {"v": 1, "id": f"example-{len(events)}", "time": _START + round((at + turn) * SECOND)}
            events.append(msgspec.convert(place | _turned(one, str(turn)), Event))
    return tuple(events)


def _turned(value: Any, turn: str) -> Any:
    if isinstance(value, dict):
        return {name: _turned(one, turn) for name, one in value.items()}
    if isinstance(value, list):
        return [_turned(one, turn) for one in value]
    return value.replace("{n}", turn) if isinstance(value, str) else value
