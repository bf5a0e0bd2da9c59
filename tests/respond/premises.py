"""What playbooks act upon, for lives that are killed: a gateway's guard and custody, and the rooms beyond it.

It runs in a thread of the process that kills, so that its memory outlives every life. The guard, the control socket and
the once of endings are the product's own; what is live is a list. Verbs whose rooms are elsewhere (tokens, secrets,
versions, sources, legal holds) are asked for over a second socket, and answered once under a key. Every effect is
counted where it takes place.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tests.gateway.measures.house import build_house
from tests.respond.conftest import CLOCK, PATIENCE
from tests.respond.rooms import ROOMS
from watchkeeper.core.control import serve
from watchkeeper.core.database import Database
from watchkeeper.core.files import socket_path
from watchkeeper.events import Journal
from watchkeeper.gateway.custody.ledger import Deed, Ledger
from watchkeeper.gateway.custody.model import Drained, Ending, Live, Meant, Rest, Served
from watchkeeper.gateway.custody.once import Once, Way
from watchkeeper.gateway.custody.room import DRAIN, END, LIST, REST, TRY, asked_by
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.model import Route
from watchkeeper.inspection.inspection import Inspection


@cache
def _inspection() -> Inspection:
    return Inspection.from_plugins()


class Effects:
    """What took place, by what did it, to whom, and for which run. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def note(self, verb: str, target: str, run: str) -> None:
        with self._lock:
            self._seen[verb, target, run] += 1

    @property
    def verbs(self) -> set[str]:
        with self._lock:
            return {verb for verb, _, _ in self._seen}

    @property
    def doubled(self) -> int:
        """How many took place although they had before."""
        with self._lock:
            return sum(self._seen.values()) - len(self._seen)


class Premises:
    """A gateway that guards these servers and has a session of each principal at each; and the rooms."""

    def __init__(
        self, data: Path, database: Database, journal: Journal, servers: Iterable[str], principals: Iterable[str]
    ) -> None:
        self.effects = Effects()
        self._data = data
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        names = sorted(set(servers) | {"files"})
        self._live = [Live(server=at, principal=who, era="modern", calls=1) for at in names for who in set(principals)]
        routes = tuple(Route(name=name) for name in names)
        self._house = build_house(data, database, journal, CLOCK, _inspection(), name="1", routes=routes)
        self._once = Once("1", Ledger(database, CLOCK, data, "gateway-1"), CLOCK).recording(journal, data)
        self._house.control.answers |= {
            LIST: self._on_list,
            REST: self._on_rest,
            END: self._on_end,
            DRAIN: self._on_drain,
            TRY: self._on_try,
        }
        self._answers: dict[tuple[str, str], Any] = {}
        self._state: dict[str, set[str]] = {}

    def __enter__(self) -> Premises:
        self._thread.start()
        self._wait(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _wait(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _open(self) -> None:
        await self._house.control.start()
        self._server = await serve(socket_path(self._data, ROOMS), {"act": self._on_act, "is": self._on_is})

    async def _close(self) -> None:
        self._server.close()
        await self._house.control.close()

    # -- custody

    def _of(self, subject: Subject) -> list[Live]:
        return [one for one in self._live if _is_of(subject, one)]

    async def _on_list(self, asked: dict[str, Any]) -> Any:
        found = self._of(Subject.of(asked["subject"])) if asked.get("subject") else self._live
        return {"live": msgspec.to_builtins(found)}

    async def _on_rest(self, asked: dict[str, Any]) -> Any:
        there = self._of(Subject.of(asked["subject"]))
        return msgspec.to_builtins(Rest(calls=sum(one.calls for one in there)))

    async def _on_end(self, asked: dict[str, Any]) -> Any:
        return await self._end("end", asked["subject"], asked, lambda ended: ended)

    async def _on_drain(self, asked: dict[str, Any]) -> Any:
        return await self._end("drain", asked["server"], asked, lambda ended: Drained(ended=ended, was_quiet=True))

    async def _end(self, verb: Any, target: str, asked: dict[str, Any], told: Callable[[Ending], Any]) -> Any:
        subject = Subject.of(target) if verb == "end" else Subject("principal", EVERY_SERVER, target)
        deed = Deed(verb, target, asked_by(asked))

        async def work() -> Any:
            self.effects.note(verb, target, deed.asked.run)
            ended = self._of(subject)
            self._live = [one for one in self._live if one not in ended]
            return msgspec.to_builtins(told(Ending(calls=sum(one.calls for one in ended))))

        async def finish(_: Meant) -> Any:
            raise AssertionError("this gateway was never killed")

        return await self._once.do(deed, Way(Meant, work, finish))

    async def _on_try(self, _: dict[str, Any]) -> Any:
        return msgspec.to_builtins(Served(serves=True, era="modern"))

    # -- the rooms

    async def _on_act(self, asked: dict[str, Any]) -> Any:
        verb, target, key = (str(asked[name]) for name in ("verb", "target", "key"))
        if (verb, key) not in self._answers:
            self.effects.note(verb, target, key.partition(":")[0])
            self._state.setdefault(verb, set()).add(target)
            self._answers[verb, key] = {"id": f"{verb} {len(self._answers)}"}
        return self._answers[verb, key]

    async def _on_is(self, asked: dict[str, Any]) -> Any:
        return {"is": asked["target"] in self._state.get(asked["verb"], ())}


def _is_of(subject: Subject, one: Live) -> bool:
    if subject.what == "principal":
        who = subject.name in (EVERY_SERVER, one.principal.removeprefix("agent:"))
        return who and subject.server in (EVERY_SERVER, one.server)
    return subject.what == "session" and (one.server, one.session) == (subject.server, subject.name)
