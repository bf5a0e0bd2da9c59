"""What the journal learns of spawned servers: that one was started, by which command, for whom, and how it ended."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.events import Severity, new_event
from watchkeeper.gateway.ports import Recorder
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.protocol.spawn import Command

_log = logging.getLogger(__name__)


class Talk(Protocol):
    """What was said with a server, counted."""

    answered: int
    dropped: int


class Launches:
    """Records for one route. Values of variables never enter an event, in the command neither."""

    def __init__(self, server: str, command: Command, recorder: Recorder, clock: Clock) -> None:
        self._server = server
        self._command = command
        self._recorder = recorder
        self._clock = clock

    def spawned(self, child: Child, actor: str, era: str) -> None:
        """Raises `Unavailable`: a launch that cannot be recorded does not stand."""
        body = {
            "command": [self._masked(part) for part in self._command.argv],
            "variables": sorted(self._command.env),
            "cwd": self._command.cwd,
            "pid": child.pid,
            "sandbox": child.sandbox.label,
        }
        self._append("gateway.upstream.spawned", actor, era, "success", body)

    def exited(self, child: Child, talk: Talk, actor: str, era: str, *, wanted: bool) -> None:
        body = {
            "pid": child.pid,
            "reason": child.reason,
            "returncode": child.returncode,
            "answered": talk.answered,
            "dropped": talk.dropped,
            "garbage_lines": child.garbage,
            "log_lines": child.logged,
        }
        self._append_if_possible("gateway.upstream.exited", actor, era, "success" if wanted else "failure", body)

    def failed_to_start(self, actor: str, era: str, reason: str) -> None:
        self._append_if_possible("gateway.upstream.failed", actor, era, "failure", {"reason": self._masked(reason)})

    def _masked(self, text: str) -> str:
        for value in self._command.env.values():
            if value:
                text = text.replace(value, "[secret]")
        return text

    def _append_if_possible(self, kind: str, actor: str, era: str, outcome: str, body: dict[str, Any]) -> None:
        """An end is an end, recorded or not."""
        try:
            self._append(kind, actor, era, outcome, body)
        except Unavailable as error:
            _log.error("an event could not be recorded: %s", error.reason, extra={"kind": kind, **body})

    def _append(self, kind: str, actor: str, era: str, outcome: str, body: dict[str, Any]) -> None:
        severity = Severity.INFORMATIONAL if outcome == "success" else Severity.MEDIUM
        event = new_event(
            self._clock.now(),
            kind,
            actor=actor,
            server=self._server,
            era=era,
            outcome=outcome,
            severity=severity,
            body=body,
        )
        self._recorder.append(event)
