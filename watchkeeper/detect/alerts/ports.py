"""What admission asks of others; `app` connects it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from watchkeeper.detect.alerts.model import Subject, Unknown


class Source(Protocol):
    """Something that is known of servers, tools or principals. Quick: it is asked between an event and its alert."""

    def tell(self, subject: Subject) -> Mapping[str, Any] | Unknown:
        """What it knows. Whatever it raises is taken for no answer."""
