"""On-call as people ask for it: the acts, and what a handover tells beside incidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.settings import Loaded, load
from watchkeeper.core import control
from watchkeeper.core.errors import Conflict, Denied, NotFound, Unavailable
from watchkeeper.core.files import socket_path
from watchkeeper.events import JournalReader
from watchkeeper.gateway.approvals import State
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.deadman.pausing import Pauses
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.book import OncallBook, Taken
from watchkeeper.respond.oncall.handover import Handovers, text_of
from watchkeeper.respond.oncall.paging import Ground
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.views import OncallView, Standing

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

DEADMAN = "deadman"
"""The switch's socket."""
_PATIENCE = 2.0


def ground_of(platform: Platform, ledger: Ledger) -> Ground:
    """What on-call stands on."""

    def is_gone(name: str) -> bool:
        return platform.roster.knows(name) and not platform.roster.role_of(name, platform.clock.now())

    return Ground(platform.database, ledger, platform.clock, is_gone)


def sources_of(platform: Platform, ledger: Ledger) -> dict[str, Callable[[], Sequence[Mapping[str, Any]]]]:
    """What a handover tells beside incidents."""
    waiting = Gates(platform.database, ledger, platform.clock)

    def approvals() -> Sequence[Mapping[str, Any]]:
        return [
            {"approval": one.id, "what": f"{one.server}/{one.target}", "by": one.principal}
            for one in platform.approvals.list(State.PENDING)
        ]

    def gates() -> Sequence[Mapping[str, Any]]:
        return [
            {
                "gate": one.id,
                "incident": one.number,
                "playbook": one.playbook,
                "step": one.step or "the whole playbook",
                "kind": one.kind.value,
                "by": ", ".join(one.voters),
            }
            for one in waiting.waiting()
        ]

    def orders() -> Sequence[Mapping[str, Any]]:
        return [{"order": one.id, "kind": str(one.kind), "target": one.target} for one in platform.orders.in_force()]

    def silent() -> Sequence[Mapping[str, Any]]:
        try:
            found = control.ask(socket_path(platform.data_dir, DEADMAN), "status", timeout=_PATIENCE)
        except control.NoService as error:
            why = "the dead-man's switch does not run"
            raise Unavailable(why, hint="see `watchkeeper deadman status`") from error
        return [{"source": one["name"], "why": one["why"]} for one in found["sources"] if one["state"] == "silent"]

    return {"approvals": approvals, "playbooks": gates, "orders": orders, "silent": silent}


def take_on(book: OncallBook, cases: CaseBook, incident: str, by: str) -> Taken:
    """Nobody else is paged, and the incident itself says who has it. Killed in between, the same again mends it."""
    taken = book.acknowledge(incident, by)
    if taken.acknowledged_by == by:
        with suppress(Conflict, NotFound):  # it is said already; whoever had it before stays its owner
            cases.deciding.acknowledge(taken.incident, by)
    return taken


class Oncalling:
    """The acts, on an open platform. Without settings, those of the data folder are read when one is needed."""

    def __init__(self, platform: Platform, loaded: Loaded | None = None) -> None:
        self._on = platform
        self._loaded = loaded
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "oncall.show": lambda _: self.standing(),
            "oncall.calendar": lambda asked: self._view().calendar(asked["rota"], int(asked["days"])),
            "oncall.pages": lambda asked: self._view().pages_of(asked["incident"]),
            "oncall.ack": self.acknowledge,
            "oncall.override": self.override,
            "oncall.override_end": lambda asked: self._book().end_override(asked["override"], asked["by"]),
            "oncall.quiet": self.quiet,
            "oncall.handovers": self.handovers,
            "oncall.accept": lambda asked: self._handovers().accept(asked["handover"], asked["by"]),
            "deadman.pause": self.pause,
            "deadman.resume": lambda asked: self._pauses().resume(asked["by"]),
        }

    def standing(self) -> Standing:
        """How on-call stands now, and who of it is no operator."""
        view = self._view()
        strangers = tuple(name for name in view.plan.people if not self._on.roster.knows(name))
        return msgspec.structs.replace(view.standing(), strangers=strangers)

    def acknowledge(self, asked: dict[str, Any]) -> Any:
        """Nobody else is paged, and the incident itself says who has it."""
        cases = CaseBook(self._on.database, self._ledger(), self._on.clock)
        return take_on(self._book(), cases, asked["incident"], asked["by"])

    def override(self, asked: dict[str, Any]) -> Any:
        span = (int(asked["begins_at"]), int(asked["ends_at"]))
        return self._book().override(asked["rota"], asked["person"], span, asked["by"], asked["reason"])

    def quiet(self, asked: dict[str, Any]) -> dict[str, Any]:
        acting = asked.get("acting")
        if acting is not None and acting.via == "token" and acting.name != asked["person"]:
            raise Denied("a token asks for quiet for its owner alone", rule="oncall.quiet", hint="or do it on the host")
        until = self._book().keep_quiet(asked["person"], int(asked["seconds"]), asked["by"], asked["reason"])
        return {"person": asked["person"], "until": until if int(asked["seconds"]) else 0}

    def handovers(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """The newest; with `now`, what would be handed over at this moment."""
        handovers, rota = self._handovers(), asked.get("rota", "")
        if asked.get("now"):
            found = [handovers.report(name) for name in ([rota] if rota else handovers.plan.rotas)]
        else:
            found = list(handovers.latest(rota, int(asked.get("limit", 5))))
        return [msgspec.to_builtins(one) | {"text": text_of(one)} for one in found]

    def pause(self, asked: dict[str, Any]) -> Any:
        return self._pauses().pause(int(asked["seconds"]), asked["by"], asked["reason"])

    def _plan(self) -> Any:
        loaded = self._loaded or load(None, self._on.data_dir)
        return plan_of(loaded.settings.respond.oncall)

    def _ledger(self) -> Ledger:
        reader = JournalReader(self._on.data_dir, pass_over_corrupt=True)
        return Ledger(self._on.database, self._on.journal, reader)

    def _book(self) -> OncallBook:
        return OncallBook(self._on.database, self._ledger(), self._on.clock, self._plan())

    def _view(self) -> OncallView:
        return OncallView(ground_of(self._on, self._ledger()), self._plan())

    def _handovers(self) -> Handovers:
        ledger = self._ledger()
        return Handovers(ground_of(self._on, ledger), self._plan(), sources_of(self._on, ledger))

    def _pauses(self) -> Pauses:
        return Pauses(self._on.database, self._on.journal, self._on.clock)
