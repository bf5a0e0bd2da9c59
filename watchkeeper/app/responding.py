"""The acts about playbooks and their runs: what there is, what would happen, who decides, who ends it.

A decision is made in the control state; the process that carries the runs sees it within half a second, or at its next
start. Whoever acts by a credential needs its scope, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import ACTING, Access
from watchkeeper.app.settings import load
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.events import Event, JournalReader
from watchkeeper.operators.model import OPERATOR
from watchkeeper.respond.asking import PlaybookDesk
from watchkeeper.respond.checking import DECIDERS
from watchkeeper.respond.gates.book import Gates
from watchkeeper.respond.gates.model import Gate, GateState, Said
from watchkeeper.respond.gates.people import Electorate, Persons
from watchkeeper.respond.intake import Shelf
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Alert, Ending
from watchkeeper.respond.planning import Authority, Plan
from watchkeeper.respond.radius import Call, Foreseen, foresee
from watchkeeper.respond.runlist import RunList, RunPage, which_of
from watchkeeper.respond.service import load_actions, load_shelf
from watchkeeper.respond.settings import RespondSettings

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

MOST_EVENTS = 50_000
"""Of each log, the newest that a dry run looks at."""
_REASON = 500
_NO_PLAYBOOK = "see `watchkeeper playbooks list`; a folder new in the settings is read when the services start again"


class Responding:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._access = Access(platform)
        reader = JournalReader(platform.data_dir, pass_over_corrupt=True)
        self._reader = reader
        ledger = Ledger(platform.database, platform.journal, reader)
        self._gates = Gates(platform.database, ledger, platform.clock)
        electorate = Electorate(platform.rules, platform.roster)
        self._persons = Persons(platform.database, ledger, platform.clock, self._gates, electorate)
        self._desk = PlaybookDesk(platform.database, ledger, platform.clock)
        self._list = RunList(platform.database)
        self._shelf: Shelf | None = None
        self.settings: RespondSettings | None = None
        """Those that are in force; without them, those of the folder."""
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "playbooks.list": self.list,
            "playbooks.show": self.show,
            "playbooks.dry_run": self.dry_run,
            "playbooks.run": self.run,
            "playbooks.runs": self.runs,
            "playbooks.run_show": self.run_show,
            "playbooks.approvals": self.approvals,
            "playbooks.say": self.say,
            "playbooks.cancel": self.cancel,
        }

    # -- looking

    def list(self, _: dict[str, Any]) -> Any:
        """Every playbook that may be due."""
        return [
            {
                "id": one.playbook.id,
                "version": one.playbook.version,
                "title": one.playbook.title,
                "severity": one.playbook.severity,
                "steps": sum(1 for _ in one.playbook.all_steps()),
                "blast_radius": one.playbook.blast_radius,
                "asks": sorted(asked_of(one.playbook)),
                "dry_run": one.playbook.dry_run,
                "file": one.origin,
                "hash": one.hash,
            }
            for one in self.shelf().playbooks
        ]

    def show(self, asked: dict[str, Any]) -> Any:
        """One of them, with its text."""
        one = self._named(asked["playbook"])
        return {"playbook": one.playbook, "hash": one.hash, "text": one.text, "file": one.origin}

    def dry_run(self, asked: dict[str, Any]) -> Any:
        """What it would do about an incident, or about alerts that are handed over; nothing is done."""
        one, shelf = self._named(asked["playbook"]), self.shelf()
        given = [_alert(number, members) for number, members in enumerate(asked.get("alerts") or ())]
        about, said = asked.get("incident", ""), _inputs(asked)
        decided, is_due = self._desk.plan(one, about, given, shelf.actions, self._authority(), given=said)
        hours = float(asked.get("hours", 24))
        calls, is_whole = self._calls(hours)
        return {
            "playbook": one.playbook.id,
            "version": one.playbook.version,
            "is_due": is_due,
            "approve": decided.approve,
            "plan_hash": decided.digest(),
            "steps": foresee(decided, shelf.actions, calls),
            "hours": hours,
            "calls_seen": len(calls),
            "is_whole": is_whole,
        }

    def runs(self, asked: dict[str, Any]) -> Any:
        """The newest runs of a `state`, `playbook`, `incident` and with these `words`; `offset` are passed over."""
        limit = min(max(int(asked.get("limit", 50)), 1), 500)
        return self._list.newest(which_of(asked), limit=limit, offset=max(int(asked.get("offset", 0)), 0))

    def run_page(self, asked: dict[str, Any], *, limit: int, offset: int) -> RunPage:
        """The same, with how many there are of each state."""
        return self._list.page(which_of(asked), limit=limit, offset=offset)

    def run_show(self, asked: dict[str, Any]) -> Any:
        """One run: its plan, how each step stands, and its gates."""
        found = self._desk.run(str(asked["run"]))
        gates = [self._row(gate) for gate in self._gates.of_run(found["run"]["id"])]
        return msgspec.to_builtins(found) | {"gates": gates}

    def approvals(self, _: dict[str, Any]) -> Any:
        """What waits for a person: approvals and things to do, the oldest first."""
        return [self._row(gate) for gate in self._gates.waiting()]

    def waiting(self) -> int:
        """How many gates wait for a person."""
        return self._gates.count_waiting()

    def gate(self, asked: dict[str, Any]) -> Any:
        """One gate, also one that was decided."""
        return self._row(self._gates.find(str(asked["gate"])))

    def foreseen(self, asked: dict[str, Any]) -> Sequence[Foreseen]:
        """What a step of a run does, or all of it, by its plan and by what passed through the gateway lately."""
        found = msgspec.convert(self._desk.run(str(asked["run"]))["plan"], Plan)
        wanted = str(asked.get("step", ""))
        calls, _ = self._calls(float(asked.get("hours", 24)))
        steps = foresee(found, load_actions(), calls)
        inner = (f"{wanted}.", f"{wanted} failed")
        return [one for one in steps if not wanted or one.step == wanted or one.branch.startswith(inner)]

    # -- deciding

    def say(self, asked: dict[str, Any]) -> Any:
        """Approve, decline, or say how it went."""
        gate = self._gates.find(str(asked["gate"]))
        if (acting := asked.get(ACTING)) is not None:
            self._access.require(acting, "decide_approvals", roles_of(gate))
        said = Said(
            asked["by"],
            str(asked.get("role", "admin")),  # whoever reaches this socket, or this folder, administers the host
            str(asked["choice"]),
            str(asked.get("comment", "")),
            str(asked.get("binding", "")),
        )
        return self._row(self._persons.say(gate.id, said))

    def run(self, asked: dict[str, Any]) -> Any:
        """Have a playbook run for an incident, due or not; approvals are asked for as ever."""
        one, reason = self._named(asked["playbook"]), _reason(asked)
        by = _operator(asked)
        shelf, authority = self.shelf(), self._authority()
        about = str(asked["incident"])
        return self._desk.ask(one, about, shelf.actions, authority, by=by, reason=reason, given=_inputs(asked))

    def cancel(self, asked: dict[str, Any]) -> Any:
        """End a run before its next step; with `undo`, take back what it did."""
        by, reason = _operator(asked), _reason(asked)
        run = self._desk.run(str(asked["run"]))["run"]["id"]
        self._gates.end(run, Ending(f"cancelled by {by}: {reason}", by, is_undone=bool(asked.get("undo"))))
        return {"run": run, "undo": bool(asked.get("undo"))}

    # -- parts

    def _row(self, gate: Gate) -> dict[str, Any]:
        row: dict[str, Any] = msgspec.to_builtins(gate)
        lacking = self._persons.lacking(gate) if gate.state is GateState.OPEN else 0
        return row | {"voters": list(gate.voters), "lacking": lacking}

    def shelf(self) -> Shelf:
        """Every playbook, as the files are now. Raises `Misconfigured`."""
        self._shelf = load_shelf(self._settings(), load_actions(), self._shelf.playbooks if self._shelf else ())
        return self._shelf

    def _settings(self) -> RespondSettings:
        return self.settings or load(None, self._on.data_dir).settings.respond

    def _authority(self) -> Authority:
        return Authority(frozenset(self._settings().pre_authorised))

    def _named(self, name: str) -> Any:
        found = next((one for one in self.shelf().playbooks if one.playbook.id == name), None)
        if found is None:
            raise NotFound(f"there is no playbook {str(name)[:80]!r}", hint=_NO_PLAYBOOK)
        return found

    def _calls(self, hours: float) -> tuple[Sequence[Call], bool]:
        """Calls of the last so many hours, and whether these are all of them."""
        since = self._on.clock.now() - int(hours * 3600 * SECOND)
        found, is_whole = [], True
        for writer in self._reader.writers():
            end = self._reader.durable(writer) or 0
            start = max(0, end - MOST_EVENTS)
            events = list(self._events(writer, start))
            is_whole &= start == 0 or not events or events[0].time < since
            found += [
                _call(event) for event in events if event.kind == "gateway.request.decided" and event.time >= since
            ]
        return found, is_whole

    def _events(self, writer: str, start: int) -> Iterator[Event]:
        cursor = {other: self._reader.durable(other) or 0 for other in self._reader.writers()} | {writer: start}
        while batch := self._reader.read(cursor):
            for record in batch:
                cursor[record.position.writer] = record.position.index + 1
                if record.event is not None and record.position.writer == writer:
                    yield record.event


def roles_of(gate: Gate) -> tuple[str, ...]:
    """The roles that can decide it; those that decide at all, where an operator is named."""
    roles = tuple(who for who in gate.voters if not who.startswith(OPERATOR))
    return (*roles, *(DECIDERS if len(roles) < len(gate.voters) else ()))


def asked_of(playbook: Any) -> set[str]:
    """Everybody whom it can ask."""
    approvals = [playbook.approve, *(step.approve for step in playbook.all_steps())]
    return {who for approval in approvals if approval is not None for who in approval.voters}


def _call(event: Event) -> Call:
    return Call(event.server, event.target, event.actor, str(event.body.get("session") or ""))


def _alert(number: int, members: Any) -> Alert:
    try:
        whole = {"id": observed_id(), "time": number + 1, "rule": "given"} | dict(members)
        return msgspec.convert(whole, Alert)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise Invalid(f"alert {number + 1}: {error}", hint="write it as in a playbook's tests") from error


def _operator(asked: dict[str, Any]) -> str:
    by = str(asked["by"])
    if not by.startswith(OPERATOR):
        raise Invalid(f"{by or 'nobody'} is no operator", hint="an agent or a playbook never has one run")
    return by


def _inputs(asked: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(said) for name, said in dict(asked.get("inputs") or {}).items()}


def _reason(asked: dict[str, Any]) -> str:
    reason = str(asked.get("reason", "")).strip()
    if not 0 < len(reason) <= _REASON:
        raise Invalid(f"say why, in at most {_REASON} characters", hint="add --reason")
    return reason
