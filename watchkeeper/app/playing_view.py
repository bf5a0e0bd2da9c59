"""Playbooks, runs and what these wait for, as the console's port wants them: the same acts as the command line's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import ACTING, Access
from watchkeeper.app.console_views import order_row
from watchkeeper.app.responding import Responding, asked_of, roles_of
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.operators import Acting
from watchkeeper.respond.acting import key_of, step_event_id
from watchkeeper.respond.gates.model import Choice, Gate, GateKind, GateState, Vote
from watchkeeper.respond.gates.voting import as_of_now, voted
from watchkeeper.respond.model import Run, StepResult
from watchkeeper.respond.planning import Plan
from watchkeeper.respond.playbook import Shelved
from watchkeeper.respond.radius import Foreseen
from watchkeeper.respond.trials import tried
from watchkeeper.web.model import OrderRow
from watchkeeper.web.playing import (
    PAGE,
    Asked,
    DryRun,
    PlaybookLine,
    PlaybookWhole,
    RunLine,
    RunLines,
    RunWhole,
    Waiting,
)

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform
    from watchkeeper.app.settings import Loaded

_HOURS = 24.0
"""Of traffic that is looked at for a blast radius."""


class PlayingView:
    """Asks the policies about operators first."""

    def __init__(self, platform: Platform, loaded: Loaded) -> None:
        self._on = platform
        self._acts = Responding(platform)
        self._acts.settings = loaded.settings.respond
        self._access = Access(platform)

    def waiting(self) -> int:
        return self._acts.waiting()

    def gates(self, acting: Acting) -> Sequence[Waiting]:
        self._access.require(acting, "read_approvals")
        return [self._waiting(acting, row, ()) for row in self._acts.approvals({})]

    def gate(self, acting: Acting, name: str, *, effects: bool) -> Waiting:
        self._access.require(acting, "read_approvals")
        row = self._acts.gate({"gate": name})
        found = self._acts.foreseen({"run": row["run"], "step": row["step"], "hours": _HOURS}) if effects else ()
        return self._waiting(acting, row, found)

    def say(self, acting: Acting, name: str, said: Mapping[str, str]) -> Gate:
        if said["choice"] not in list(Choice):
            raise Invalid("that is no decision", hint=f"one of {', '.join(Choice)}")
        asked = {"gate": name, "by": acting.actor, "role": acting.role, ACTING: acting}
        if said["choice"] == Choice.APPROVE and not said["binding"]:
            asked["binding"] = _NO_PLAN  # the page says what it shows; who says nothing has approved nothing
        return msgspec.convert(self._acts.say({**said, **asked}), Gate)

    def runs(self, acting: Acting, asked: Mapping[str, str], offset: int) -> RunLines:
        self._access.require(acting, "read_incidents")
        found = self._acts.run_page(dict(asked), limit=PAGE, offset=offset)
        return RunLines([_line(row) for row in found.runs], found.total, found.counts, found.playbooks)

    def run(self, acting: Acting, name: str) -> RunWhole:
        self._access.require(acting, "read_incidents")
        found = self._acts.run_show({"run": name})
        line, plan = _line(found["run"]), msgspec.convert(found["plan"], Plan)
        gates: dict[str, list[Gate]] = {}
        for row in found["gates"]:
            gate = msgspec.convert(row, Gate)
            gates.setdefault(gate.step, []).append(gate)
        results = {row["step"]: msgspec.convert(row, StepResult) for row in found["steps"]}
        steps = [step.id for step in plan.each()]
        return RunWhole(
            run=line.run,
            number=line.number,
            plan=plan,
            results=results,
            gates=gates,
            text=found["text"],
            may_cancel=line.run.state != "finished" and self._may(acting, "run_playbooks"),
            proofs={step: step_event_id(line.run.id, step) for step in results},
            keys={step: key_of(line.run.id, step) for step in steps},
            orders=self._orders(results),
            deadline_at=line.run.begun_at + plan.deadline_us if line.run.begun_at else 0,
        )

    def _orders(self, results: Mapping[str, StepResult]) -> dict[str, OrderRow]:
        """What its steps ordered, or found ordered."""
        wanted = {str(one.evidence["order"]) for one in results.values() if one.evidence.get("order")}
        return {one.id: order_row(one) for one in self._on.orders.all() if one.id in wanted} if wanted else {}

    def cancel(self, acting: Acting, name: str, reason: str, *, undo: bool) -> None:
        self._access.require(acting, "run_playbooks")
        self._acts.cancel({"run": name, "by": acting.actor, "reason": reason, "undo": undo})

    def playbooks(self, acting: Acting) -> Sequence[PlaybookLine]:
        self._access.require(acting, "read_incidents")
        return [_shelved(one) for one in self._acts.shelf().playbooks]

    def playbook(self, acting: Acting, name: str) -> PlaybookWhole:
        self._access.require(acting, "read_incidents")
        shelf = self._acts.shelf()
        found = next((one for one in shelf.playbooks if one.playbook.id == name), None)
        if found is None:
            raise NotFound(f"there is no playbook {name[:80]!a}", hint="see the list of playbooks")
        wrong = [one.name for one in tried(found.playbook, shelf.actions) if not one.is_passed]
        return PlaybookWhole(_shelved(found), found.text, wrong, may_run=self._may(acting, "run_playbooks"))

    def dry_run(self, acting: Acting, name: str, incident: str, inputs: Mapping[str, str]) -> DryRun:
        self._access.require(acting, "read_incidents")
        found = self._acts.dry_run({"playbook": name, "incident": incident, "hours": _HOURS, "inputs": inputs})
        approve = msgspec.to_builtins(found["approve"]) if found["approve"] is not None else None
        names = ("is_due", "steps", "plan_hash", "hours", "calls_seen", "is_whole")
        return DryRun(**{member: found[member] for member in names}, approve=approve)

    def have_run(self, acting: Acting, name: str, asked: Asked) -> str:
        self._access.require(acting, "run_playbooks")
        told = {"playbook": name, "incident": asked.incident, "by": acting.actor, "reason": asked.reason}
        return str(self._acts.run({**told, "inputs": asked.inputs})["run"])

    def _waiting(self, acting: Acting, row: Mapping[str, Any], effects: Sequence[Foreseen]) -> Waiting:
        gate = msgspec.convert(dict(row), Gate)
        return Waiting(gate, row["lacking"], self._why_not(acting, gate), effects)

    def _why_not(self, acting: Acting, gate: Gate) -> str:
        """What would be said to a yes of theirs now; the gate itself judges again when it comes."""
        if gate.state is not GateState.OPEN:
            return f"It is {gate.state.value} already."
        choice = Choice.DONE if gate.kind is GateKind.MANUAL else Choice.APPROVE
        vote = Vote(acting.actor, acting.role, choice, self._on.clock.now(), "?")
        try:
            self._access.check(acting, "decide_approvals", roles_of(gate))
            voted(as_of_now(gate, self._on.roster), vote, self._on.rules, gate.binding)
        except (Denied, Conflict, Invalid) as error:
            return error.reason
        return ""

    def _may(self, acting: Acting, act: str) -> bool:
        try:
            self._access.check(acting, act)
        except Denied:
            return False
        return True


_NO_PLAN = "no plan"


def _shelved(one: Shelved) -> PlaybookLine:
    return PlaybookLine(one.playbook, one.hash, one.origin, sorted(asked_of(one.playbook)))


def _line(row: Mapping[str, Any]) -> RunLine:
    run = msgspec.convert({**row, "steps": ()}, Run)
    return RunLine(run, str(row["number"]), str(row.get("title", "")), waits=bool(row.get("waits")))
