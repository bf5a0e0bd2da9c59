"""`up`: one data folder, three services, a client's snippet, a link for the operator."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.app.administration import Administration, mint_anew
from watchkeeper.app.checking import check_quickly
from watchkeeper.app.first_client import FIRST_CLIENT, snippet_file, token_in_snippet
from watchkeeper.app.platform import prepare
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded
from watchkeeper.app.supervisor import Service, Supervisor
from watchkeeper.core.errors import Conflict
from watchkeeper.core.files import Lock, make_private_folder, write_private
from watchkeeper.core.signals import Wish
from watchkeeper.exercise.model import Report, Step
from watchkeeper.gateway.aggregate.settings import members_of

_LOOK = 0.1
"""Seconds between two looks after the services: runs of playbooks wait for a dead watch."""


class Up:
    """A running estate, from entering the context to leaving it."""

    def __init__(self, loaded: Loaded, *, demo: bool, told: Callable[[str], None]) -> None:
        self._loaded = loaded
        self._demo = demo
        self._told = told
        self._stack = ExitStack()
        self._stop = Wish()
        self._supervisor: Supervisor | None = None
        self._facts: dict[str, Mapping[str, Any]] = {}

    def __enter__(self) -> Self:
        check_quickly(self._loaded, demo=self._demo)  # a flaw of the settings is told before anything starts
        with ExitStack() as stack:
            stack.enter_context(self._stop)
            make_private_folder(self._loaded.data_dir)
            lock = Lock(self._loaded.data_dir / "run" / "up.lock")
            try:
                stack.enter_context(lock.acquire(f"{self._loaded.data_dir}"))
            except Conflict as error:
                raise Conflict(
                    f"Watchkeeper already runs on {self._loaded.data_dir}",
                    hint="use that one, stop it, or give this one another folder with --data",
                ) from error
            self._catch_signals(stack)
            prepare(self._loaded.data_dir, self._loaded.settings.state)
            supervisor = self._supervisor = Supervisor(self._services())
            supervisor.start()
            stack.callback(self._stop_services)
            self._facts = {service.name: service.facts for service in supervisor.services}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def urls(self) -> dict[str, str]:
        """Server → where it is served."""
        return dict(self._facts["gateway"]["servers"])

    @property
    def endpoints(self) -> dict[str, str]:
        """Endpoint → where it is served."""
        return dict(self._facts["gateway"].get("endpoints", {}))

    def wait(self) -> None:
        """Until Ctrl-C or SIGTERM, with a look after the services. Raises `ServiceFailed` when one keeps dying."""
        assert self._supervisor is not None
        while not self._stop.wait(_LOOK):
            for line in self._supervisor.tend():
                self._told(line)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """While it is entered the service of this name is down, as if its process had ended; then it is started anew.

        Not beside `wait`, which starts again what is down.
        """
        assert self._supervisor is not None
        service = next(one for one in self._supervisor.services if one.name == name)
        service.stop()
        try:
            yield
        finally:
            service.start()
            service.await_ready()
            self._facts[name] = service.facts

    def exercise(self, told: Callable[[Step], None]) -> Report:
        """Run the demo's attacks against this estate; each step is recorded."""
        from watchkeeper.app.estate import RunningEstate  # noqa: PLC0415 — the MCP SDK, needed for exercises only
        from watchkeeper.exercise.demo import Demo  # noqa: PLC0415 — the same

        ask = Administration(self._loaded.data_dir)

        def note(step: Step) -> None:
            told(step)
            ask.call("exercise.note", **msgspec.to_builtins(step))

        estate = RunningEstate(self._loaded.data_dir, self.urls)
        return asyncio.run(Demo(estate, note).run())

    def summary(self) -> str:
        """What runs where, a snippet for one's own client, what to do next."""
        snippet = self.snippet()
        servers = "\n".join(f"  {name:12} {url}" for name, url in self.urls.items())
        started = "\n".join(self._started())
        return f"""Watchkeeper is up. Everything listens on this machine only, unless the settings say otherwise.

Servers, each behind the gateway at
{servers}
{self._together()}{started}
Console (this link works once, within 15 minutes; `watchkeeper console link` makes another)
  {self.link()}

For your own client, with a token of its own; also in {snippet}
{_indented(snippet.read_text(encoding="utf-8"))}
Next
  watchkeeper pins list            what each tool is trusted to be
  watchkeeper events search        every fact, as it happens
  watchkeeper alerts list          what the rules found
  watchkeeper incidents list       what needs you
  (add --data {self._loaded.data_dir} to each, or set WATCHKEEPER_DATA)"""

    def _together(self) -> str:
        """The endpoints, and which servers each of them shows."""
        if not self.endpoints:
            return ""
        shown = self._shown()
        lines = [f"  {name:12} {url}  ({', '.join(shown[name])})" for name, url in self.endpoints.items()]
        return "\n".join(["", "Several servers as one, their tools under prefixed names, at", *lines, ""])

    def _shown(self) -> dict[str, tuple[str, ...]]:
        """Endpoint → its servers."""
        settings = self._loaded.settings.endpoints
        return {name: members_of(settings[name], self.urls) for name in self.endpoints}

    def _started(self) -> list[str]:
        """The exact command of each server that is started here, and what confines it."""
        sandboxes: Mapping[str, str] = self._facts["gateway"].get("sandboxes", {})
        lines = [
            f"  {name:12} {shlex.join(server.command)}\n{'':15}sandbox: {sandboxes.get(name, 'unknown')}"
            for name, server in effective(self._loaded, demo=self._demo).items()
            if server.command
        ]
        return (
            ["", "Started on this machine when a client needs them, by exactly these commands", *lines, ""]
            if lines
            else []
        )

    def link(self) -> str:
        """A one-time link to the console."""
        return str(Administration(self._loaded.data_dir).call("console.link", name="")["url"])

    def after_demo(self) -> str:
        """What to look at once the attacks are through."""
        return f"""
Look at it
  {self.link()}
  watchkeeper incidents list --data {self._loaded.data_dir}
  watchkeeper pins diff training weather --data {self._loaded.data_dir}
  watchkeeper journal verify {self._loaded.data_dir}

The incident is labelled exercise and stays open for that; `watchkeeper incidents close` ends it."""

    def _services(self) -> list[Service]:
        loaded = self._loaded
        arguments = ["--supervised", "--data", str(loaded.data_dir)]
        if loaded.path is not None:
            arguments += ["--config", str(loaded.path)]
        if loaded.free_ports:
            arguments += ["--free-ports"]
        if self._demo:
            arguments += ["--demo"]
        # The gateway first, so that it stops first; the watch last, so that it reads what the others wrote.
        # The switch before all of them: what is stopped on purpose is not silent.
        names = [*(["deadman"] if loaded.settings.deadman.is_on else []), "gateway", "console", "watch"]
        spares = {"watch"} if loaded.settings.respond.spare else set()
        return [Service(name, arguments, loaded.data_dir, has_spare=name in spares) for name in names]

    def snippet(self) -> Path:
        """The file with the client's configuration; the token in it is minted once and kept there only."""
        path = snippet_file(self._loaded.data_dir)
        token = token_in_snippet(path) or mint_anew(Administration(self._loaded.data_dir), FIRST_CLIENT)
        headers = {"Authorization": f"Bearer {token}"}
        inside = {server for shown in self._shown().values() for server in shown} | {"training"}
        urls = self.endpoints | {name: url for name, url in self.urls.items() if name not in inside}
        servers = {name: {"type": "http", "url": url, "headers": headers} for name, url in urls.items()}
        write_private(path, msgspec.json.format(msgspec.json.encode({"mcpServers": servers}), indent=2) + b"\n")
        return path

    def _catch_signals(self, stack: ExitStack) -> None:
        def stop(*_: object) -> None:
            if self._stop.is_set():
                sys.exit(130)  # asked twice: do not wait for the drain
            self._stop.set()

        def reload(*_: object) -> None:
            for service in self._supervisor.services if self._supervisor is not None else []:
                if service.name == "gateway":
                    service.signal(signal.SIGHUP)

        for number, handler in ((signal.SIGINT, stop), (signal.SIGTERM, stop), (signal.SIGHUP, reload)):
            stack.callback(signal.signal, number, signal.signal(number, handler))

    def _stop_services(self) -> None:
        assert self._supervisor is not None
        for name in self._supervisor.stop():
            self._told(f"{name} did not drain in time and was ended; the journal recovers on the next start")


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
