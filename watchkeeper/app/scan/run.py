"""A whole scan: what is meant, looked at, judged, and what may be left out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from watchkeeper.app.launching import spawner_for
from watchkeeper.app.scan.clients import files_here, servers_in
from watchkeeper.app.scan.judging import judged_of, let_be
from watchkeeper.app.scan.model import Report, Shown, Source
from watchkeeper.app.scan.targets import sources_for
from watchkeeper.app.scan.visiting import Visits, Ways
from watchkeeper.app.scanning import assessor
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.suppressing import suppressions_of
from watchkeeper.core.errors import Invalid
from watchkeeper.core.secrets import SecretReader

Told = Callable[[str], None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scanned, and how."""

    targets: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    known: bool = False
    suppressions: tuple[Path, ...] = ()
    """Further files of suppressions."""
    ways: Ways = Ways()


def ways_of(*, env: Sequence[str], bearer: str, **more: object) -> Ways:
    """`env` names variables of ours that servers get; `bearer` is a reference to a secret. Raises `Invalid`."""
    host = environment()
    if missing := [name for name in env if name not in host]:
        raise Invalid(f"--env: there is no variable {missing[0]}", hint="set it for this command, or leave it out")
    token = SecretReader(host).read("--bearer", bearer)
    return msgspec.structs.replace(Ways(env={name: host[name] for name in env}, bearer=token), **more)


def scan(asked: Asked, loaded: Loaded, told: Told) -> Report:
    """Raises `Invalid`, `Misconfigured` for what makes no sense; what cannot be looked at is in the report."""
    found = sources_for(asked.targets, asked.command)
    notes: list[str] = []
    if asked.known:
        found += _known(notes)
    sources = _distinct([one for one in found if isinstance(one, Source)])
    shown = [one for one in found if isinstance(one, Shown)]
    shown += asyncio.run(_look(loaded, asked.ways, sources, told)) if sources else []
    suppressions = suppressions_of(loaded, more=asked.suppressions)
    notes += [
        f"the suppression of {one.rule} at {one.server}/{one.name} has run out on {one.expires.isoformat()}"
        for one in suppressions.expired
    ]
    judged = judged_of(shown, assessor(loaded.data_dir), told) if any(one.definitions for one in shown) else []
    judged = [let_be(one, suppressions) for one in judged]
    return Report(shown=tuple(shown), judged=tuple(judged), told=tuple(notes))


async def _look(loaded: Loaded, ways: Ways, sources: Sequence[Source], told: Told) -> list[Shown]:
    spawner = spawner_for(loaded)
    try:
        return await Visits(loaded, spawner, ways, told).look_at(sources)
    finally:
        await asyncio.to_thread(spawner.close)


def _known(notes: list[str]) -> list[Source]:
    """The servers of every client's file on this machine; one that cannot be read is a source that is broken."""
    found: list[Source] = []
    for path in files_here(Path.home(), Path.cwd(), environment()):
        try:
            servers = servers_in(path)
        except Invalid as error:
            found.append(Source(name=path.name, place=str(path), broken=error.reason))
            continue
        if servers is None:
            notes.append(f"{path} is there, and has no servers in it")
        found += servers or []
    return found


def _distinct(sources: Sequence[Source]) -> list[Source]:
    """The same server in several files is looked at once; two under one name are told apart."""
    seen: dict[object, Source] = {}
    for source in sources:
        server = source.server
        key = (server.command, server.url) if server is not None and not source.skipped else id(source)
        seen.setdefault(key, source)
    names: dict[str, int] = {}
    found: list[Source] = []
    for source in seen.values():
        names[source.name] = count = names.get(source.name, 0) + 1
        found.append(source if count == 1 else msgspec.structs.replace(source, name=f"{source.name}.{count}"))
    return found
