"""Asking every gateway that may still serve what is live in it, and having it end that.

A gateway that does not answer is told with the reason: nobody may take its silence for nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.control import ask
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.gateway.custody.ledger import Deed, kept_of
from watchkeeper.gateway.custody.model import Asked, Drained, Ending, Live, Rest, Served
from watchkeeper.gateway.custody.room import DRAIN, END, LIST, REST, TRY
from watchkeeper.gateway.custody.tokens import REFRESH, TAKES, Held, Tries
from watchkeeper.gateway.custody.tokens import TRY as TRY_TOKEN
from watchkeeper.gateway.holds import Subject
from watchkeeper.gateway.orders import Fence
from watchkeeper.gateway.presence import Presence, Standing

T = TypeVar("T")
_PATIENCE = 5.0
_ENDING = 30.0
"""Seconds that a gateway has to end something: a process has a few to end by itself."""


_UNFINISHED = Ending(doubts=("it was gone before it said what it had ended: its servers may not have been told",))


class Said(msgspec.Struct, Generic[T], frozen=True):
    """What the gateways said."""

    answers: dict[str, T] = {}
    """By gateway."""
    silent: dict[str, str] = {}
    """Gateway → why it said nothing."""


class Admitted(msgspec.Struct, frozen=True):
    """Tokens that would be let in, by digest."""

    admitted: tuple[str, ...] = ()


class _Rows(msgspec.Struct):
    live: list[Live]


class Custodian:
    """Of one tenant's gateways. Blocking; safe for threads and processes."""

    def __init__(self, database: Database, clock: Clock, tenant: str = "default") -> None:
        self._presence = Presence(database, clock, tenant)
        self._database = database
        self._tenant = tenant

    def fenced(self, fence: Fence) -> Self:
        """The same for a process that may lose the right to end anything: `fence` is asked before each ending. What was
        ended under a key before is not ended again, whoever asks.
        """
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        return other

    def live(self, subject: Subject | None = None) -> Said[list[Live]]:
        """What is live, of a subject or of everybody."""
        said = self._ask(LIST, {"subject": subject.text if subject is not None else ""}, _Rows)
        return Said({gateway: rows.live for gateway, rows in said.answers.items()}, said.silent)

    def rest(self, subject: Subject) -> Said[Rest]:
        """What of a subject is still live."""
        return self._ask(REST, {"subject": subject.text}, Rest)

    def admits(self, digests: Sequence[str]) -> Said[Admitted]:
        """Which clients' tokens, told by their SHA-256, each gateway's door would let in."""
        return self._ask("clients.admits", {"digests": list(digests)}, Admitted)

    def refreshed(self) -> Said[Held]:
        """Have every gateway take the list of revoked tokens over now; what each has then."""
        return self._ask(REFRESH, {}, Held)

    def tries(self, token: str) -> Said[Tries]:
        """Whether this token of an authorization server gets in at any gateway's doors."""
        return self._ask(TRY_TOKEN, {"token": token}, Tries, _ENDING)

    def takes(self, principal: str, issued: int) -> Said[Tries]:
        """Whether what a principal of an authorization server was issued by a moment gets in."""
        return self._ask(TAKES, {"principal": principal, "issued": issued}, Tries)

    def end(self, subject: Subject, asked: Asked) -> Said[Ending]:
        """End what a subject has live. Raises `Unavailable` when no gateway runs: then nothing is.

        The same key again is answered with what was done, by gateways that are gone, too.
        """
        self._may_end()
        said = self._some(self._ask(END, {"subject": subject.text} | msgspec.to_builtins(asked), Ending, _ENDING))
        for gateway, answer in self._gone(said, Deed("end", subject.text, asked)).items():
            said.answers[gateway] = msgspec.convert(answer, Ending) if answer is not None else _UNFINISHED
        return said

    def drain(self, server: str, within: float, asked: Asked) -> Said[Drained]:
        """Drain a server's transport in every gateway that serves it. Raises `Unavailable` when none does."""
        self._may_end()
        arguments = {"server": server, "within": within} | msgspec.to_builtins(asked)
        said = self._some(self._ask(DRAIN, arguments, Drained, _ENDING + within))
        for gateway, answer in self._gone(said, Deed("drain", server, asked)).items():
            said.answers[gateway] = (
                msgspec.convert(answer, Drained) if answer is not None else Drained(ended=_UNFINISHED)
            )
        return said

    def attempt(self, server: str) -> Said[Served]:
        """Have every gateway that serves it greet the server. Raises `Unavailable` when none does."""
        return self._some(self._ask(TRY, {"server": server}, Served, _ENDING))

    def _gone(self, said: Said[Any], deed: Deed) -> dict[str, dict[str, Any] | None]:
        """What gateways came to that neither answered now nor are silent; None for one that did not come to an end."""
        places = {answer.place for answer in said.answers.values()}
        kept = kept_of(self._database, deed, self._tenant)
        gone = [one for one in kept if one.place not in places and one.gateway not in said.silent]
        return {f"{one.gateway}, gone": one.answer for one in gone}

    def _may_end(self) -> None:
        with self._database.write():
            return

    @staticmethod
    def _some(said: Said[T]) -> Said[T]:
        if not said.answers and not said.silent:
            raise Unavailable("no gateway runs that serves this", hint="start it: `watchkeeper up`")
        return said

    def _ask(self, what: str, arguments: Mapping[str, Any], kind: type[T], patience: float = _PATIENCE) -> Said[T]:
        standings = self._presence.serving()
        said: Said[T] = Said({}, {})
        if not standings:
            return said

        def one(standing: Standing) -> T | str | None:
            try:
                answer = ask(Path(standing.socket), what, arguments, timeout=patience)
                return None if answer is None else msgspec.convert(answer, kind)
            except (WatchkeeperError, msgspec.ValidationError) as error:
                return str(error)

        with ThreadPoolExecutor(max_workers=min(16, len(standings))) as pool:
            for standing, answer in zip(standings, pool.map(one, standings), strict=True):
                if isinstance(answer, str):
                    said.silent[standing.id] = answer
                elif answer is not None:
                    said.answers[standing.id] = answer
        return said
