"""What a gateway process that was killed left of an ending, brought to its end by the one after it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from watchkeeper.gateway.custody.errand import Errand
from watchkeeper.gateway.custody.groups import has_any, until_empty
from watchkeeper.gateway.custody.model import Ending, Meant
from watchkeeper.gateway.custody.view import View, houses_in
from watchkeeper.gateway.presence import birth_of

_UNKNOWN = "a gateway was killed meanwhile, and what it meant to end cannot be read: look at the servers themselves"


class Leftover:
    """Of one gateway: looks at what outlives a gateway, and ends it."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def finish(self, meant: Meant) -> Ending:
        """What was meant, with what of it could not be seen to be gone."""
        doubts = [_UNKNOWN] if meant.is_unknown else []
        doubts += await end_processes(meant)
        left = await asyncio.gather(*(self._leave(*one) for one in meant.sessions))
        over = await asyncio.gather(*(self._cancel(meant, *one) for one in meant.tasks))
        return Ending(
            sessions=len(meant.sessions) + meant.parties,
            calls=meant.calls,
            streams=meant.streams,
            processes=tuple(pid for pid, _ in meant.processes),
            cancelled=over.count(""),
            doubts=tuple(doubts + [why for why in (*left, *over) if why]),
        )

    async def _leave(self, server: str, principal: str, session: str) -> str:
        """Why its server may still have a session; empty when it does not."""
        upstream = self._view.upstream(server)
        if upstream is None:
            return f"{server} is not served here any more: whether it ended a session is not known"
        if houses_in(upstream) is not None:
            return ""  # its process was the session
        return await Errand(upstream, principal, session).leave()

    async def _cancel(self, meant: Meant, server: str, task: str, principal: str, tool: str) -> str:
        upstream = self._view.upstream(server)
        if upstream is None:
            return f"{server} is not served here any more: whether a task of {tool} is over is not known"
        if houses_in(upstream) is not None:
            return ""
        is_over = await Errand(upstream, principal).cancel(task)
        return "" if is_over else f"{server} did not say that a task of {principal} is over"


async def end_processes(meant: Meant) -> list[str]:
    """End the servers that a gateway which is gone had started, and are still the ones that it started."""
    for pid, birth in meant.processes:
        if birth and birth_of(pid) == birth:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
    groups = {pid for pid, birth in meant.processes if not birth or birth_of(pid) in ("", "dead", birth)}
    await until_empty(groups)
    return [f"process group {group} still has a process" for group in sorted(groups) if has_any(group)]
