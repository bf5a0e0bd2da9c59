"""Which OCSF class and activity every kind of event is. The table; a test says which kinds it lacks."""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf import calls, estate, findings, people
from watchkeeper.events.ocsf.classes import (
    ACCOUNT_CHANGE,
    API,
    APP_ERROR,
    AUTHENTICATION,
    AUTHORIZE_SESSION,
    BASE,
    DATA_SECURITY,
    DETECTION,
    ENTITY,
    EVENT_LOG,
    INCIDENT,
    LIFECYCLE,
    OTHER,
    REMEDIATION,
    USER_ACCESS,
)
from watchkeeper.events.ocsf.common import Meaning

UNKNOWN = Meaning(BASE, OTHER, estate.nothing_more, "Unknown kind")
"""Of what a newer version recorded."""
_ALERT = Meaning(DETECTION, 1, findings.alert)
_DATA_ALERT = Meaning(DATA_SECURITY, 1, findings.data_alert)

MEANINGS: dict[str, Meaning] = {
    "journal.writer.opened": Meaning(EVENT_LOG, 6, estate.log),
    "journal.tail.dropped": Meaning(EVENT_LOG, OTHER, estate.log, "Tail dropped"),
    "journal.subject.erased": Meaning(EVENT_LOG, 2, estate.log),
    "privacy.erasure.completed": Meaning(EVENT_LOG, 2, estate.log),
    "privacy.erasure.refused": Meaning(EVENT_LOG, OTHER, estate.log, "Erasure refused"),
    "lake.hold.placed": Meaning(API, 1, calls.act("place legal hold")),
    "lake.hold.lifted": Meaning(API, 4, calls.act("lift legal hold")),
    "lake.hold.restored": Meaning(API, 3, calls.act("restore legal holds")),
    "lake.retention.applied": Meaning(EVENT_LOG, 2, estate.lake),
    "lake.file.mended": Meaning(EVENT_LOG, OTHER, estate.lake, "Data file mended"),
    "lake.table.rebuilt": Meaning(EVENT_LOG, OTHER, estate.lake, "Table rebuilt"),
    "lake.records.missed": Meaning(EVENT_LOG, OTHER, estate.lake, "Records missed"),
    "events.sink.failed": Meaning(APP_ERROR, 1, estate.error),
    "events.sink.recovered": Meaning(LIFECYCLE, OTHER, estate.ours, "Sink recovered"),
    "events.sink.dropped": Meaning(EVENT_LOG, OTHER, estate.log, "Events dropped"),
    "events.sink.tested": Meaning(API, 1, calls.act("test sink")),
    "journal.anchor.contradicted": Meaning(
        DETECTION, 1, findings.noticed("The journal contradicts a copied checkpoint", "journal.anchor.contradicted")
    ),
    "journal.anchor.failed": Meaning(APP_ERROR, 1, estate.error),
    "journal.anchor.resumed": Meaning(EVENT_LOG, OTHER, estate.log, "Anchor resumed"),
    "journal.segment.sealed": Meaning(EVENT_LOG, OTHER, estate.log, "File sealed"),
    "journal.segment.pruned": Meaning(EVENT_LOG, 2, estate.log),
    "journal.reader.passed_over": Meaning(EVENT_LOG, OTHER, estate.log, "Unread records removed"),
    "journal.records.unreadable": Meaning(
        DETECTION, 1, findings.noticed("Records of the journal cannot be read", "journal.records.unreadable")
    ),
    "journal.upkeep.failed": Meaning(EVENT_LOG, OTHER, estate.log, "Upkeep failed"),
    "gateway.process.started": Meaning(LIFECYCLE, 3, estate.ours),
    "gateway.process.stopped": Meaning(LIFECYCLE, 4, estate.ours),
    "gateway.recording.suspended": Meaning(APP_ERROR, 1, estate.error),
    "gateway.recording.resumed": Meaning(EVENT_LOG, OTHER, estate.log, "Recording resumed"),
    "gateway.worker.replaced": Meaning(LIFECYCLE, 5, estate.ours),
    "gateway.request.decided": Meaning(API, OTHER, calls.request),
    "gateway.message.decided": Meaning(API, OTHER, calls.server_message),
    "gateway.request.refused": Meaning(API, OTHER, calls.refused),
    "gateway.request.observed": Meaning(API, OTHER, calls.request),
    "gateway.session.opened": Meaning(AUTHORIZE_SESSION, 1, people.session),
    "gateway.session.closed": Meaning(AUTHENTICATION, 2, people.logon),
    "gateway.endpoint.narrowed": Meaning(APP_ERROR, 1, estate.error),
    "gateway.endpoint.collided": Meaning(
        DETECTION, 1, findings.noticed("Names of two servers collide", "gateway.endpoint.collided")
    ),
    "gateway.upstream.spawned": Meaning(LIFECYCLE, 3, estate.theirs),
    "gateway.upstream.exited": Meaning(LIFECYCLE, 4, estate.theirs),
    "gateway.upstream.failed": Meaning(APP_ERROR, 1, estate.error),
    "gateway.loop.noticed": Meaning(
        DETECTION, 1, findings.noticed("A client repeats the same call", "gateway.loop.noticed")
    ),
    "gateway.certificate.renewed": Meaning(LIFECYCLE, 8, estate.ours),
    "gateway.certificate.refused": Meaning(LIFECYCLE, 8, estate.ours),
    "gateway.caller.verified": Meaning(AUTHENTICATION, 1, people.token),
    "gateway.scope.elevated": Meaning(AUTHORIZE_SESSION, 1, people.session),
    "gateway.breaker.opened": Meaning(LIFECYCLE, 7, estate.theirs),
    "gateway.breaker.closed": Meaning(LIFECYCLE, 6, estate.theirs),
    "gateway.principal.minted": Meaning(ACCOUNT_CHANGE, 1, people.account),
    "gateway.principal.revoked": Meaning(ACCOUNT_CHANGE, 5, people.account),
    "gateway.credential.obtained": Meaning(AUTHENTICATION, OTHER, people.token, "Token obtained"),
    "gateway.grant.added": Meaning(USER_ACCESS, 1, people.access("scope")),
    "gateway.grant.ended": Meaning(USER_ACCESS, 2, people.access("resource")),
    "gateway.order.issued": Meaning(REMEDIATION, 1, estate.order),
    "gateway.order.acknowledged": Meaning(REMEDIATION, OTHER, estate.order, "Acknowledged"),
    "gateway.order.lifted": Meaning(REMEDIATION, 3, estate.order),
    "gateway.probe.answered": Meaning(API, OTHER, calls.request),
    "gateway.approval.requested": Meaning(USER_ACCESS, OTHER, people.approval, "Requested"),
    "gateway.approval.decided": Meaning(USER_ACCESS, OTHER, people.approval, "Decided"),
    "gateway.approval.consumed": Meaning(USER_ACCESS, OTHER, people.approval, "Used"),
    "gateway.approval.expired": Meaning(USER_ACCESS, 2, people.approval),
    "gateway.approval.voided": Meaning(USER_ACCESS, 2, people.approval),
    "policy.bundle.installed": Meaning(ENTITY, 1, people.policies),
    "policy.bundle.refused": Meaning(ENTITY, OTHER, people.policies, "Refused"),
    "policy.bundle.activated": Meaning(ENTITY, 10, people.policies),
    "policy.bundle.rolled_back": Meaning(ENTITY, 10, people.policies),
    "policy.bundle.applied": Meaning(ENTITY, 8, people.policies),
    "registry.definition.seen": Meaning(ENTITY, 1, people.definition),
    "registry.pin.trusted": Meaning(ENTITY, 8, people.definition),
    "registry.pin.changed": Meaning(
        DETECTION, 1, findings.noticed("A server changed a pinned definition", "registry.pin.changed")
    ),
    "registry.pin.adopted": Meaning(ENTITY, 3, people.definition),
    "registry.pin.renamed": Meaning(ENTITY, 5, people.definition),
    "registry.pin.moved": Meaning(ENTITY, 5, people.definition),
    "registry.lookalike.noticed": Meaning(
        DETECTION, 1, findings.noticed("A name looks like another server's", "registry.lookalike.noticed")
    ),
    "registry.canary.differed": Meaning(
        DETECTION, 1, findings.noticed("A server shows clients different definitions", "registry.canary.differed")
    ),
    "registry.pin.held": Meaning(ENTITY, 12, people.definition),
    "registry.pin.restored": Meaning(ENTITY, 13, people.definition),
    "registry.pin.approved": Meaning(ENTITY, 10, people.definition),
    "detect.alert.raised": _ALERT,
    "detect.alert.repeated": Meaning(DETECTION, 2, findings.repeated),
    "detect.alert.excepted": Meaning(DETECTION, OTHER, findings.excepted, "Held back"),
    "detect.alert.assessed": Meaning(DETECTION, 2, findings.assessed),
    "detect.alert.throttled": Meaning(DETECTION, OTHER, findings.throttled, "Throttled"),
    "detect.alert.silenced": Meaning(DETECTION, OTHER, findings.alert, "Silent"),
    "detect.rule.failed": Meaning(APP_ERROR, 1, estate.error),
    "detect.hunt.scheduled": Meaning(ENTITY, 8, people.hunt),
    "detect.hunt.unscheduled": Meaning(ENTITY, OTHER, people.hunt, "Disabled"),
    "detect.hunt.saved": Meaning(ENTITY, 3, people.hunt),
    "detect.hunt.removed": Meaning(ENTITY, 4, people.hunt),
    "detect.hunt.found": Meaning(BASE, OTHER, estate.nothing_more, "Hunt found"),
    "detect.hunt.failed": Meaning(APP_ERROR, 1, estate.error),
    "detect.rule.enabled": Meaning(ENTITY, 8, people.rule),
    "detect.rule.disabled": Meaning(ENTITY, OTHER, people.rule, "Disabled"),
    "detect.rule.simulated": Meaning(ENTITY, OTHER, people.rule, "Simulated"),
    "detect.stage.failed": Meaning(APP_ERROR, 1, estate.error),
    "detect.memory.lost": Meaning(APP_ERROR, 1, estate.error),
    "detect.intelligence.imported": Meaning(API, 1, calls.act("import indicators")),
    "detect.intelligence.changed": Meaning(API, 3, calls.act("change intelligence")),
    "detect.intelligence.failed": Meaning(APP_ERROR, 1, estate.error),
    "detect.intelligence.searched": Meaning(API, 2, calls.act("search the past for indicators")),
    "respond.incident.opened": Meaning(INCIDENT, 1, findings.incident),
    "respond.incident.updated": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.changed": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.reopened": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.noted": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.tasked": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.linked": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.unlinked": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.merged": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.split": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.imported": Meaning(INCIDENT, 1, findings.incident),
    "respond.incident.timed": Meaning(INCIDENT, 2, findings.incident),
    "respond.incident.exported": Meaning(API, 2, calls.act("export incidents")),
    "respond.playbook.started": Meaning(REMEDIATION, OTHER, estate.run, "Playbook started"),
    "respond.step.completed": Meaning(REMEDIATION, OTHER, estate.run, "Step completed"),
    "respond.step.skipped": Meaning(REMEDIATION, OTHER, estate.run, "Step skipped"),
    "respond.step.failed": Meaning(REMEDIATION, OTHER, estate.run, "Step failed"),
    "respond.playbook.finished": Meaning(REMEDIATION, OTHER, estate.run, "Playbook finished"),
    "respond.playbook.parked": Meaning(REMEDIATION, OTHER, estate.run, "Playbook parked"),
    "respond.containment.verified": Meaning(REMEDIATION, 1, estate.run),
    "respond.containment.unverified": Meaning(REMEDIATION, 1, estate.run),
    "respond.notification.sent": Meaning(API, 1, calls.act("notify")),
    "respond.notification.failed": Meaning(API, 1, calls.act("notify")),
    "respond.decision.heard": Meaning(API, 1, calls.act("decide approval")),
    "respond.decision.refused": Meaning(API, 1, calls.act("decide approval")),
    **dict.fromkeys(
        (
            "respond.delivery.taken",
            "respond.delivery.unverified",
            "respond.delivery.failed",
            "respond.delivery.abandoned",
        ),
        Meaning(API, 1, calls.act("ask another system")),
    ),
    "respond.integration.suspended": Meaning(APP_ERROR, 1, estate.error),
    "respond.integration.resumed": Meaning(API, OTHER, calls.act("resume integration"), "Resumed"),
    "respond.integration.tested": Meaning(API, 1, calls.act("test integration")),
    "respond.reply.heard": Meaning(API, 1, calls.act("reply")),
    "respond.reply.refused": Meaning(API, 1, calls.act("reply")),
    "respond.incident.acknowledged": Meaning(API, 3, calls.act("acknowledge incident")),
    "respond.incident.unacknowledged": Meaning(API, 3, calls.act("page incident again")),
    "respond.escalation.raised": Meaning(API, 1, calls.act("escalate")),
    "respond.escalation.exhausted": Meaning(API, 1, calls.act("escalate")),
    "respond.page.sent": Meaning(API, 1, calls.act("page")),
    "respond.page.failed": Meaning(API, 1, calls.act("page")),
    "respond.page.deferred": Meaning(API, 1, calls.act("defer page")),
    "respond.oncall.changed": Meaning(API, 3, calls.act("change on-call")),
    "respond.handover.made": Meaning(API, 1, calls.act("hand over")),
    "respond.handover.accepted": Meaning(API, 3, calls.act("accept handover")),
    "respond.deadman.alarmed": Meaning(APP_ERROR, 1, estate.error),
    "respond.deadman.recovered": Meaning(APP_ERROR, OTHER, estate.error, "Recovered"),
    "respond.deadman.paused": Meaning(API, 3, calls.act("pause dead-man's switch")),
    "respond.deadman.resumed": Meaning(API, 3, calls.act("resume dead-man's switch")),
    "respond.heartbeat.heard": Meaning(API, 2, calls.act("hear heartbeat")),
    "gateway.heartbeat.sounded": Meaning(API, 1, calls.act("sound heartbeat")),
    "ingest.event.received": Meaning(BASE, OTHER, estate.nothing_more, "Received from elsewhere"),
    "ingest.records.refused": Meaning(APP_ERROR, 1, estate.error),
    "operators.person.invited": Meaning(ACCOUNT_CHANGE, 1, people.account),
    "operators.role.changed": Meaning(USER_ACCESS, 1, people.access("role")),
    "operators.person.revoked": Meaning(ACCOUNT_CHANGE, 6, people.account),
    "operators.token.issued": Meaning(USER_ACCESS, 1, people.access("scopes")),
    "operators.token.ended": Meaning(USER_ACCESS, 2, people.access("token")),
    "operators.token.refused": Meaning(AUTHENTICATION, 1, people.logon),
    "operators.act.refused": Meaning(API, OTHER, calls.act("act"), "Act"),
    "web.link.issued": Meaning(AUTHENTICATION, OTHER, people.logon, "Link issued"),
    "web.operator.entered": Meaning(AUTHENTICATION, 1, people.logon),
    "web.operator.refused": Meaning(AUTHENTICATION, 1, people.logon),
    "admin.config.loaded": Meaning(LIFECYCLE, 8, estate.ours),
    "admin.config.refused": Meaning(LIFECYCLE, 8, estate.ours),
    "admin.capture.widened": Meaning(ENTITY, 3, people.policies),
    "admin.suppressions.loaded": Meaning(ENTITY, 3, people.policies),
    "admin.exception.added": Meaning(ENTITY, 1, people.exception),
    "admin.exception.ended": Meaning(ENTITY, 3, people.exception),
    "admin.baseline.frozen": Meaning(ENTITY, 12, people.baseline),
    "admin.baseline.thawed": Meaning(ENTITY, 13, people.baseline),
    "admin.baseline.forgotten": Meaning(ENTITY, 3, people.baseline),
    "admin.service.started": Meaning(LIFECYCLE, 3, estate.ours),
    "admin.service.stopped": Meaning(LIFECYCLE, 4, estate.ours),
    "exercise.step.seen": Meaning(BASE, OTHER, estate.nothing_more, "Exercise step"),
    "exercise.attack.executed": Meaning(BASE, OTHER, estate.nothing_more, "Attack executed"),
}

_CHOICES: dict[str, Callable[[Event], Meaning]] = {
    "detect.alert.raised": lambda event: _DATA_ALERT if findings.is_about_data(event) else _ALERT,
}


def meaning_of(event: Event) -> Meaning:
    """What an event is in OCSF. A kind that nobody knows is OCSF's base event."""
    choose = _CHOICES.get(event.kind)
    return choose(event) if choose is not None else MEANINGS.get(event.kind, UNKNOWN)


def meanings_of(kind: str) -> tuple[Meaning, ...]:
    """Everything that events of a kind may be."""
    return (_ALERT, _DATA_ALERT) if kind in _CHOICES else (MEANINGS.get(kind, UNKNOWN),)
