"""No secret enters the journal: every event is looked at before it is stored, and what was found in it is masked.

The last look, not the first: whoever records the words of others masks them where they know what was found. This one
catches what came another way (a name, a reason, an address, the words of an operator). Kinds whose makers have looked
themselves are handed in with the question whether they did; on the way of a call nothing is looked at twice. Above: the
app puts it before the journal. Below: the rules for credentials, loaded with the first event that needs them.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.events.model import Event, decode, encode

_OWN = ("journal.", "admin.service.", "admin.config.loaded")
"""Beginnings of kinds that quote nobody."""
SHORTEST = 16
"""Characters from which on a text can be a secret; a test holds every rule's examples against it."""
_MOST_KNOWN = 4096
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MASKED, WITHHELD = "masked", "withheld"
"""Labels of events that were changed here: a secret has its rule's name in its place, or body and names are gone."""
_log = logging.getLogger(__name__)

Look = Callable[[bytes], tuple[Any, ...]]
"""JSON text → findings of secrets in it."""


class Censor:
    """Of one process. Safe for many threads."""

    def __init__(self, cache: Path | None = None) -> None:
        self.trusts: Mapping[str, Callable[[Event], bool]] = {}
        """Kind → whether this event of it was looked at by whoever made it."""
        self._cache = cache
        self._look: Look | None = None
        self._loading = threading.Lock()
        self._harmless: set[str] = set()

    def __call__(self, event: Event) -> Event:
        """The event without a secret; itself when there is none."""
        trusts = self.trusts.get(event.kind)
        if trusts(event) if trusts is not None else event.kind.startswith(_OWN):
            return event
        record = encode(event)
        found = self._secrets(record)
        return event if not found else _masked(event, record, found)

    def is_harmless(self, text: str) -> bool:
        """Whether a short text of others holds no secret; those that were asked for are remembered."""
        if len(text) < SHORTEST or text in self._harmless or _UUID.fullmatch(text):
            return True
        if self._secrets(msgspec.json.encode(text)):
            return False
        if len(self._harmless) >= _MOST_KNOWN:
            self._harmless.clear()
        self._harmless.add(text)
        return True

    def _secrets(self, data: bytes) -> tuple[Any, ...]:
        look = self._look or self._load()
        return look(data)

    def _load(self) -> Look:
        with self._loading:
            if self._look is None:
                self._look = _rules(self._cache)
            return self._look


def _rules(cache: Path | None) -> Look:
    from watchkeeper.inspection.inspection import BROKEN, Inspection  # noqa: PLC0415 — an engine, for who records texts
    from watchkeeper.inspection.model import SECRET, Surface  # noqa: PLC0415
    from watchkeeper.inspection.secrets import Secrets  # noqa: PLC0415
    from watchkeeper.inspection.suspicion import Suspicion  # noqa: PLC0415 — its hints lead to what is encoded

    inspect = Inspection([Secrets(), Suspicion()], cache).inspect
    surface = Surface.ARGUMENTS  # the rules of which are the strictest

    def look(data: bytes) -> tuple[Any, ...]:
        return tuple(one for one in inspect(surface, data) if one.label in (SECRET, BROKEN))

    return look


def _masked(event: Event, record: bytes, found: tuple[Any, ...]) -> Event:
    from watchkeeper.inspection.inspection import BROKEN  # noqa: PLC0415
    from watchkeeper.inspection.redaction import without  # noqa: PLC0415

    _log.info("an event held a secret, which was masked", extra={"kind": event.kind, "rules": _names(found)})
    left = None if any(one.label == BROKEN for one in found) else without(record, found)
    try:
        masked = decode(left) if left is not None else None
    except (msgspec.DecodeError, msgspec.ValidationError):
        masked = None  # it stood where only certain words may stand
    if masked is None or (masked.id, masked.kind) != (event.id, event.kind):
        return msgspec.structs.replace(event, target="", claimed="", trace="", labels=(WITHHELD,), body={})
    return msgspec.structs.replace(masked, labels=tuple(sorted({*masked.labels, MASKED})))


def _names(found: tuple[Any, ...]) -> list[str]:
    return sorted({str(one.rule) for one in found})
