"""A child whose start and end are in the journal: one that cannot be recorded does not stand."""

from __future__ import annotations

import logging

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.stdio.journal import Launches
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.peer import Receive
from watchkeeper.gateway.upstream import UpstreamFailed
from watchkeeper.protocol.spawn import Command, Spawner

_log = logging.getLogger(__name__)


class Launcher:
    """Starts one route's servers."""

    def __init__(self, server: str, command: Command, spawner: Spawner, launches: Launches, limits: Limits) -> None:
        self.server = server
        self.command = command
        self.spawner = spawner
        self.launches = launches
        self.limits = limits

    def child_for(self, principal: str, era: str) -> Launched:
        """A server for this principal, not started yet."""
        return Launched(self, principal, era)


class Launched(Child):
    """A server of a route."""

    def __init__(self, launcher: Launcher, principal: str, era: str) -> None:
        super().__init__(launcher.server, launcher.command, launcher.limits)
        self._launcher = launcher
        self._principal = principal
        self._era = era

    async def open(self, receive: Receive) -> None:
        """Start it. Raises `UpstreamFailed`, and `Unavailable` when its start cannot be recorded."""
        launches = self._launcher.launches
        try:
            await self.start(self._launcher.spawner, receive)
        except Unavailable as error:
            launches.failed_to_start(self._principal, self._era, error.reason)
            _log.error("%s", error.reason, extra={"server": self._launcher.server, "hint": error.hint})
            raise UpstreamFailed("the server could not be started") from error
        try:
            launches.spawned(self, self._principal, self._era)
        except Unavailable:
            await self.stop("its start could not be recorded")
            raise
