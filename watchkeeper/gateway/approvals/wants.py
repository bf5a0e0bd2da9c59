"""From a call for which policy says `ask` to what is put before a person. Pure.

Obligations, and what each one stops:

1. The person sees all of the parameters but the secrets; what is too long to be shown, or was not inspected, or holds a
   secret that cannot be cut out, cannot be approved (a harmful end behind a harmless page).
2. No secret is kept: what is kept is the redacted text, and a digest.
"""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Denied
from watchkeeper.gateway.approvals.binding import Bound, bind
from watchkeeper.gateway.approvals.model import Requirement, Wanted
from watchkeeper.gateway.approvals.settings import ApprovalSettings
from watchkeeper.gateway.caller import tenant_of
from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.redaction import CUT, UNSEEN, WITHHELD, redact
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.message import Message

KINDS = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource", "resources/subscribe": "resource"}
"""Method → kind of the definition that it uses."""
SHOWN = 32_768
"""Characters of parameters that a person can be asked to look at."""
NOT_SHOWN = "approval.cannot-be-shown"


class Plea(msgspec.Struct, frozen=True):
    """A call, and the verdict that asks for a person."""

    server: str
    principal: str
    message: Message
    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    def bound(self, definition: str, policy: str) -> Bound:
        """What an approval of it is bound to, beside the parameters."""
        return Bound(
            tenant_of(self.principal),
            self.principal,
            self.server,
            self.message.method,
            self.message.name,
            definition,
            policy,
            self.verdict.rules,
        )


def filed(plea: Plea, bound: Bound, settings: ApprovalSettings) -> Wanted:
    """What is asked of people. Raises `Denied` where it cannot be shown, `Invalid` where it can be read in two ways."""
    demands = [one for one in plea.verdict.obligations if one.effect is Effect.ASK]
    seconds = min([settings.request_seconds, *(one.expires for one in demands if one.expires)])
    return Wanted(
        binding=bind(bound, plea.message.params),
        tenant=bound.tenant,
        principal=bound.principal,
        server=bound.server,
        method=bound.method,
        target=bound.target,
        definition=bound.definition,
        policy=bound.policy,
        arguments=_shown(plea),
        rules=bound.rules,
        reason=plea.verdict.reason,
        requirements=tuple(Requirement(one.policy, one.role, max(1, one.quorum)) for one in demands),
        seconds=seconds,
        grant_seconds=min(settings.grant_seconds, seconds),
    )


def _shown(plea: Plea) -> str:
    text = redact(plea.message.params or b"{}", plea.findings, SHOWN)
    if text in (UNSEEN, WITHHELD) or text.endswith(CUT):
        reason = "A person must approve this, and its parameters cannot be shown to one as a whole."
        raise Denied(reason, rule=NOT_SHOWN, hint="make the parameters shorter, and leave credentials out")
    return text
