"""Admission that lets everything through: each detection is one alert. For single questions and for tests of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from watchkeeper.detect.alerts.raising import alert_of
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event


class PlainAdmission:
    """Remembers nothing and holds nothing back."""

    name = "plain"

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """There is nothing to remember."""

    def changes(self) -> Mapping[str, bytes | None]:
        """Never any."""
        return {}

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        """Its alert."""
        return (alert_of(detection, now),)

    def pass_time(self, watermark: int, now: int) -> Iterable[Event]:
        """Nothing waits for a time to come."""
        return ()
