"""What intelligence says of an alert's server: its name, its host, and the definition that the tool has now."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.alerts.model import Subject, Unknown
from watchkeeper.detect.intelligence.keeping.index import Few, Lookup
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.model import Indicator, Type, key_of
from watchkeeper.detect.intelligence.values import normal
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.registry import Pins

_SHOWN = 5


class Indicators:
    """Looked up in the index as it is now."""

    def __init__(self, library: Library, servers: Mapping[str, ServerSettings], pins: Pins, clock: Clock) -> None:
        self._library = library
        self._servers = servers
        self._pins = pins
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._lookup: Lookup = Few()

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """What is known against it. That nothing is known is no good news, and is not put as such."""
        lookup = self._fresh()
        if not lookup.head.keys:
            return Unknown("no indicators were taken in yet")
        asked = list(self._values(subject))
        if not asked:
            return Unknown("it is about no server")
        now = self._clock.now()
        known = [one for kind, value in asked for one in _of(lookup, kind, value) if one.is_valid(now) and not one.also]
        return {
            "looked_up": [kind.value for kind, _ in asked],
            "indicators": [
                f"{one.type.value} {one.value[:80]} ({one.source}, {one.weight})" for one in known[:_SHOWN]
            ] or "none of ours",
        }  # fmt: skip

    def _values(self, subject: Subject) -> Iterator[tuple[Type, str]]:
        if subject.server:
            yield Type.SERVER, subject.server
        if fingerprint := self._pins.fingerprint(subject.server, "tool", subject.target):
            yield Type.DEFINITION, fingerprint
        found = self._servers.get(subject.server)
        if found is not None and (host := urlsplit(found.url).hostname):
            yield (Type.IP if ":" in host or host.replace(".", "").isdigit() else Type.DOMAIN), host

    def _fresh(self) -> Lookup:
        with self._lock:
            stamp = self._library.stamp()
            if stamp != self._stamp:
                self._lookup, self._stamp = self._library.open(), stamp
            return self._lookup


def _of(lookup: Lookup, kind: Type, value: str) -> tuple[Indicator, ...]:
    try:
        return lookup.get(key_of(kind, normal(kind, value)).encode())
    except Invalid:
        return ()
