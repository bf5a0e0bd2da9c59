"""Capture policies from the settings: what holds for each server, said where more is kept than what is redacted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.events import Severity, new_event
from watchkeeper.events.censor import Censor
from watchkeeper.gateway.capture.looked import KIND, looked
from watchkeeper.gateway.capture.model import Capture
from watchkeeper.gateway.capture.settings import check_capture
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.inspection.model import PERSONAL

WIDENED = "admin.capture.widened"
_log = logging.getLogger(__name__)


def capture_of(loaded: Loaded, server: ServerSettings) -> Capture:
    """What of others' words events about this server keep. Raises `Misconfigured`."""
    check_capture("capture", loaded.settings.capture)
    return Capture(loaded.settings.capture, server.capture)


def captures(loaded: Loaded, servers: Mapping[str, ServerSettings]) -> dict[str, dict[str, str]]:
    """Server → class → what is kept, in words. Raises `Misconfigured`."""
    return {name: capture_of(loaded, server).told() for name, server in sorted(servers.items())}


def wanted_with_capture(loaded: Loaded, wanted: frozenset[str]) -> frozenset[str]:
    """What inspectors look for: what policies want, and personal data where the capture policy says so."""
    return wanted | {PERSONAL} if loaded.settings.capture.look_for_personal else wanted


def trust_calls(platform: Platform) -> None:
    """Events of calls are not looked at twice: in a process whose gateway makes them, and in no other."""
    censor = platform.journal.censor
    if isinstance(censor, Censor):
        censor.trusts = {KIND: looked(censor.is_harmless)}


def full_of(routes: Sequence[Route]) -> dict[str, list[str]]:
    """Server → the classes of which more is kept than what is redacted; servers without any are left out."""
    found = {route.name: route.capture.full() for route in routes if route.capture is not None}
    return {name: classes for name, classes in sorted(found.items()) if classes}


def note_capture(platform: Platform, routes: Sequence[Route], service: str) -> None:
    """Warn, and record, where texts are kept in full from now on. Nothing where none is."""
    full = full_of(routes)
    for server, classes in full.items():
        _log.warning("texts are kept in full", extra={"server": server, "classes": classes})
    if not full:
        return
    body: dict[str, Any] = {"full": full}
    actor, now = f"system:{service}", platform.clock.now()
    platform.journal.append(
        new_event(now, WIDENED, actor=actor, target=service, outcome="success", severity=Severity.MEDIUM, body=body)
    )
