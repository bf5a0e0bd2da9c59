"""`watchkeeper wrap`: one server over stdio between us and one client, judged and recorded like any other.

The server is started first, and while it comes up so do we: the heavy rooms are imported only then. Nothing of what it
says is passed on before its start is recorded. It is a gateway of its own to whoever gives orders; several may share a
data folder with each other and with a running `up`.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from watchkeeper.app.launching import check_launch, command_of, name_for, spawner_for
from watchkeeper.app.planned import Plan
from watchkeeper.app.settings import data_folder, environment, load
from watchkeeper.core.errors import Invalid
from watchkeeper.core.text import visible
from watchkeeper.gateway.settings import ServerSettings, check_gateway, check_server
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.wrap.inbox import Inbox
from watchkeeper.gateway.wrap.lines import Writer

_AGENT = "agent:"
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KILLED = 128


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options."""

    command: tuple[str, ...] = ()
    name: str = ""
    client: str = ""
    observe: bool = False
    env: tuple[str, ...] = ()
    cwd: str = ""
    sandbox: str = ""
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    no_network: bool = False
    data: Path | None = None
    config: Path | None = None


def plan(asked: Asked) -> Plan:
    """Raises `Invalid`, `Misconfigured`, `Denied`."""
    loaded = load(asked.config, data_folder(asked.data))
    check_gateway(loaded.settings.gateway)
    configured = loaded.settings.servers.get(asked.name, ServerSettings())
    if not asked.command and not configured.command:
        raise Invalid(
            "there is no server to start", hint="end with -- COMMAND …, or name a [servers.NAME] of the settings file"
        )
    server = _laid_over(asked, configured)
    name = asked.name or name_for(server)
    client = asked.client or f"wrap-{name}"
    if not _CLIENT.fullmatch(client):
        raise Invalid(
            f"not a name for a client: {client!r}", hint="give one with --client: 1 to 63 of A-Z a-z 0-9 . _ -"
        )
    check_server(name, server)
    check_launch(loaded, name, server)
    return Plan(loaded, name, server, _AGENT + client)


def _laid_over(asked: Asked, server: ServerSettings) -> ServerSettings:
    host = environment()
    if missing := [name for name in asked.env if name not in host]:
        raise Invalid(f"--env: there is no variable {missing[0]}", hint="set it for this command, or leave it out")
    return msgspec.structs.replace(
        server,
        url="" if asked.command else server.url,
        command=asked.command or server.command,
        env={**server.env, **{name: host[name] for name in asked.env}},
        cwd=asked.cwd or server.cwd,
        sandbox=asked.sandbox or server.sandbox,
        read=(*server.read, *asked.read),
        write=(*server.write, *asked.write),
        network=server.network and not asked.no_network,
        shadow=server.shadow or asked.observe,
    )


def run_wrap(planned: Plan) -> int:
    """Stand between standard input and output and the server until either ends; the exit code."""
    return asyncio.run(_Wrap(planned).run())


class _Wrap:
    """One run."""

    def __init__(self, planned: Plan) -> None:
        self._plan = planned
        self._stop = asyncio.Event()
        self._signal = 0

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop, number)
        log = Writer(sys.stderr.fileno())
        async with AsyncExitStack() as stack:
            stack.push_async_callback(log.close, 1.0)
            spawner = spawner_for(self._plan.loaded)
            stack.callback(spawner.close)
            inbox = Inbox()

            def tell(text: str) -> None:
                log.offer(text.encode(errors="replace") + b"\n")

            child = inbox.child = self._child(tell)
            await child.start(spawner, inbox.put)
            stack.push_async_callback(child.stop, "the wrapper stops")
            tell(self._greeting(child))
            return await self._serve(child, inbox)

    def _asked_to_stop(self, number: int) -> None:
        self._signal = number
        self._stop.set()

    def _child(self, tell: Callable[[str], None]) -> Child:
        gateway = self._plan.loaded.settings.gateway
        limits = Limits(write_seconds=gateway.answer_seconds, line_bytes=gateway.max_answer_bytes)
        return Child(self._plan.name, command_of(self._plan.server), limits, tell=tell)

    def _greeting(self, child: Child) -> str:
        command = visible(shlex.join(self._plan.server.command))
        return f"watchkeeper: {self._plan.name} is started by exactly: {command} (sandbox: {child.sandbox.label})"

    async def _serve(self, child: Child, inbox: Inbox) -> int:
        from watchkeeper.app.wrapped import opened_as, wrapped_session  # noqa: PLC0415 — the server starts meanwhile

        planned = self._plan
        with opened_as(planned) as platform:
            async with wrapped_session(planned, platform, child, inbox) as session:
                await session.run(self._stop)
        return self._exit_code(child, session.was_left)

    def _exit_code(self, child: Child, has_left: bool) -> int:
        if self._signal:
            return _KILLED + self._signal
        code = child.returncode
        if has_left:  # whatever we had to do to end it is no failure of its own
            return code if code is not None and code > 0 else 0
        return 1 if code is None else code if code >= 0 else _KILLED - code
