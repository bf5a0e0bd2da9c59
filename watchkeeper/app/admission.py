"""Who does an act of administration, and whether they may.

Whoever reaches the socket of the watch, or the folder itself, administers the host: they act under the name that the
operating system knows, as an admin. Who shows a token acts under its owner's name, and may what role and scopes permit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from watchkeeper.core.errors import Denied
from watchkeeper.events import Severity, new_event
from watchkeeper.operators import Acting, Role
from watchkeeper.policy.persons import May

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

Act = Callable[[dict[str, Any]], Any]
ACTING = "acting"
"""Under this name an act is handed who does it."""
CREDENTIAL = "credential"
_NEEDS = {
    "alerts.list": "read_alerts",
    "alerts.show": "read_alerts",
    "alerts.precision": "read_alerts",
    "alerts.exceptions": "read_alerts",
    "alerts.try": "read_alerts",
    "alerts.assess": "assess_alerts",
    "alerts.except": "except_alerts",
    "alerts.unexcept": "except_alerts",
    "approvals.list": "read_approvals",
    "approvals.show": "read_approvals",
    "approvals.decide": "",  # by what the approval itself demands
    "incidents.list": "read_incidents",
    "incidents.show": "read_incidents",
    "incidents.timeline": "read_incidents",
    "incidents.tasks": "read_incidents",
    "incidents.similar": "read_incidents",
    "incidents.export": "read_incidents",
    "incidents.report": "read_incidents",
    "incidents.open": "work_incidents",
    "incidents.import": "arrange_incidents",
    "incidents.merge": "arrange_incidents",
    "incidents.split": "arrange_incidents",
    "incidents.ack": "work_incidents",
    "incidents.assign": "work_incidents",
    "incidents.severity": "work_incidents",
    "incidents.status": "work_incidents",
    "incidents.stamp": "work_incidents",
    "incidents.close": "work_incidents",
    "incidents.reopen": "work_incidents",
    "incidents.relabel": "work_incidents",
    "incidents.note": "work_incidents",
    "incidents.lesson": "work_incidents",
    "incidents.effort": "work_incidents",
    "incidents.add_task": "work_incidents",
    "incidents.finish_task": "work_incidents",
    "incidents.reopen_task": "work_incidents",
    "incidents.change_task": "work_incidents",
    "incidents.link": "work_incidents",
    "incidents.unlink": "work_incidents",
    "oncall.show": "read_oncall",
    "oncall.calendar": "read_oncall",
    "oncall.pages": "read_oncall",
    "oncall.handovers": "read_oncall",
    "oncall.ack": "acknowledge_incidents",
    "oncall.accept": "acknowledge_incidents",
    "oncall.override": "manage_oncall",
    "oncall.override_end": "manage_oncall",
    "oncall.quiet": "acknowledge_incidents",
    "playbooks.list": "read_incidents",
    "playbooks.show": "read_incidents",
    "playbooks.dry_run": "read_incidents",
    "playbooks.runs": "read_incidents",
    "playbooks.run_show": "read_incidents",
    "playbooks.approvals": "read_approvals",
    "playbooks.say": "",  # by what the gate itself demands
    "playbooks.run": "run_playbooks",
    "playbooks.cancel": "run_playbooks",
    "quarantine.list": "read_orders",
    "quarantine.show": "read_orders",
    "quarantine.add": "give_orders",
    "quarantine.lift": "give_orders",
    "revocations.list": "read_orders",
    "revocations.add": "give_orders",
    "revocations.lift": "give_orders",
    "sessions.list": "read_orders",
    "sessions.hold": "give_orders",
    "sessions.release": "give_orders",
    "sessions.kill": "end_sessions",
    "sessions.drain": "end_sessions",
    "integrations.status": "read_integrations",
    "integrations.test": "use_integrations",
    "integrations.retry": "use_integrations",
    "deadman.pause": "pause_deadman",
    "deadman.resume": "pause_deadman",
    "operators.list": "read_operators",
    "operators.tokens": "read_operators",
    "operators.invite": "manage_operators",
    "operators.role": "manage_operators",
    "operators.revoke": "manage_operators",
    "operators.token": "manage_operators",
    "operators.end_token": "manage_operators",
}
"""What a token can be used for at all."""
_HOSTS = (
    "baselines.", "clients.", "exercise.", "grants.", "hunts.", "intelligence.", "lake.", "pins.", "policy.",
    "privacy.", "rules.", "sinks.",
)  # fmt: skip
"""What no token is good for: whoever administers the host does it there."""
_NO_PERSONS = ("agent:", "system:")
"""Whose word is none here: agents, and parts of Watchkeeper (the responder approves, enables and mints nothing)."""


class Access:
    """Asks the policies about operators; a no is recorded."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform

    def check(self, acting: Acting, act: str, needs: tuple[str, ...] = ("",)) -> None:
        """Raises `Denied` unless it is permitted for one of the roles that are needed."""
        answers = [self._on.rules.may(May(acting.actor, acting.role, act, need, acting.scopes)) for need in needs]
        if any(answer.is_given for answer in answers):
            return
        rules = sorted({rule for answer in answers for rule in answer.rules})
        reason = answers[0].reason if answers else "This asks for no role that anybody has."
        rule = rules[0] if rules else "operators.role"
        raise Denied(reason, rule=rule, hint="ask somebody whose role permits it")

    def require(self, acting: Acting, act: str, needs: tuple[str, ...] = ("",)) -> None:
        """The same, and a no is recorded."""
        try:
            self.check(acting, act, needs)
        except Denied as error:
            self._note(acting, act, error)
            raise

    def _note(self, acting: Acting, act: str, error: Denied) -> None:
        body = {"act": act, "role": acting.role, "via": acting.via, "rules": [error.rule], "reason": error.reason}
        self._on.journal.record(
            new_event(
                self._on.clock.now(),
                "operators.act.refused",
                actor=acting.actor,
                outcome="deny",
                severity=Severity.LOW,
                body=body,
            )
        )

    def admitted(self, acts: Mapping[str, Act]) -> dict[str, Act]:
        """The same acts, each of which is told who does it, and not done by who may not.

        An act of which nobody decided who may do it is a mistake of ours, and nothing starts with it.
        """
        if undecided := [name for name in acts if name not in _NEEDS and not name.startswith(_HOSTS)]:
            raise LookupError(f"nobody decided who may do {', '.join(sorted(undecided))}")
        return {name: self._admitting(name, act) for name, act in acts.items()}

    def _admitting(self, name: str, act: Act) -> Act:
        def admitted(asked: dict[str, Any]) -> Any:
            asked = dict(asked)
            credential = asked.pop(CREDENTIAL, "")
            if not credential:
                host = Acting(str(asked.get("by", "")), Role.ADMIN.value, None, "host")
                if host.actor.startswith(_NO_PERSONS):
                    no = Denied("only a person does this", rule="operators.persons", hint="act under your own name")
                    raise self._noted(host, name, no)
                return act({**asked, ACTING: host})
            acting = self._on.tokens.who(str(credential))
            if acting is None:
                said, hint = (
                    "this token is not, or no longer, an operator's",
                    "make another: `watchkeeper operators token`",
                )
                nobody = Acting("nobody", "", (), "token")
                raise self._noted(nobody, name, Denied(said, rule="operators.token", hint=hint))
            if name not in _NEEDS:
                no = Denied(f"no token is good for {name}", rule="operators.scope", hint="do it on the host")
                raise self._noted(acting, name, no)
            if needed := _NEEDS[name]:
                self.require(acting, needed)
            return act({**asked, "by": acting.actor, "role": acting.role, ACTING: acting})

        return admitted

    def _noted(self, acting: Acting, act: str, no: Denied) -> Denied:
        self._note(acting, act, no)
        return no
