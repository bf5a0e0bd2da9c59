"""Volatile state kept before containment changes it: sessions, definitions, processes, settings, orders, positions.

Where harm is ongoing a playbook contains first and keeps this second: what is ended is then evidence no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from watchkeeper.core.errors import Invalid, Untrusted, WatchkeeperError
from watchkeeper.gateway.holds import Subject, subject_of
from watchkeeper.gateway.relay.ownership import untagged
from watchkeeper.respond.actions.effects import served
from watchkeeper.respond.interface import ActionContext, NothingToUndo, Outcome, Proof, Reach
from watchkeeper.respond.model import ACTOR
from watchkeeper.respond.ports import Asking
from watchkeeper.respond.processes import tree_of

_VAULT = "keeps evidence"


class SnapshotEvidence(NothingToUndo):
    """Copies what is volatile into the evidence store; its digest is in the journal, and secrets are only HMACs."""

    name: ClassVar[str] = "snapshot_evidence"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"digest", "size", "parts"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: str = ""
        session: str = ""
        task: str = ""
        principal: str = ""
        reason: str = "volatile state, before it is changed"

        @property
        def subject(self) -> Subject | None:
            """Whose state; None for everybody's."""
            if not (self.session or self.task or self.principal):
                return None
            session = untagged(self.session)[1]
            return subject_of(self.server, session=session, task=self.task, principal=self.principal)

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        vault = served(context.services.evidence, _VAULT)
        taken, missing = self._take(parameters, context)
        subject = parameters.subject
        about = subject.text if subject is not None else parameters.server or "everything"
        incident = str(context.incident["id"])
        kept = vault.keep(about, taken, Asking(context.key, ACTOR, parameters.reason, incident))
        evidence = {"digest": kept.digest, "size": kept.size, "parts": sorted(taken), "missing": missing, "of": about}
        lacking = f", without {', '.join(sorted(missing))}" if missing else ""
        return Outcome(f"kept {kept.size} bytes of {about}{lacking}", evidence)

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof | None:
        """The journal's digest is that of the stored bytes, both read anew. Raises `Untrusted` when it is not."""
        checked = served(context.services.evidence, _VAULT).check(context.key)
        if not checked.is_whole:
            raise Untrusted(f"the evidence does not verify: {checked.reason}", hint="keep the data folder as it is")
        return None

    def by_hand(self, parameters: Parameters) -> str:
        return "Keep what `watchkeeper sessions list --json`, `pins list --json` and `quarantine list --json` show."

    def _take(self, parameters: Parameters, context: ActionContext) -> tuple[dict[str, Any], dict[str, str]]:
        """What could be taken, and why the rest could not: a part that fails must not cost the others."""
        services, taken, missing = context.services, dict[str, Any](), dict[str, str]()
        vault = served(services.evidence, _VAULT)

        def take(part: str, look: Callable[[], Any]) -> None:
            try:
                taken[part] = look()
            except (WatchkeeperError, OSError, Invalid) as error:
                missing[part] = str(error)

        def live() -> Any:
            said = served(services.custody, "reaches the gateways' sessions").live(parameters.subject)
            rows = {
                gateway: [row for row in found if parameters.server in ("", row.server)]
                for gateway, found in said.answers.items()
            }
            return {"gateways": msgspec.to_builtins(rows), "silent": said.silent}

        take("sessions", live)
        rows = [row for found in taken.get("sessions", {}).get("gateways", {}).values() for row in found]
        take("processes", lambda: tree_of((pid for row in rows for pid in row["processes"]), vault.seal))
        take("orders", lambda: msgspec.to_builtins(services.orders.in_force()))
        if services.host is not None:
            for part, look in services.host.parts(parameters.server, vault.seal).items():
                take(part, look)
        taken["taken"] = {"at": services.clock.now(), "incident": context.incident["number"], "by": ACTOR}
        return taken, missing
