"""Every kind of event the product records, with one sentence each. A kind that is not listed fails a test."""

from __future__ import annotations

KINDS: dict[str, str] = {
    # the journal about itself
    "journal.writer.opened": "A process opened its log; the body says at which index and whether a tail was dropped.",
    "journal.tail.dropped": "After a crash the log ended in a torn tail; its bytes were kept aside.",
    "journal.subject.erased": "A subject's keys were destroyed; its records stay provable and are unreadable for ever.",
    # the gateway
    "gateway.process.started": "A gateway began to serve its routes.",
    "gateway.process.stopped": "A gateway drained and stopped.",
    "gateway.worker.replaced": "One of several workers had died and was started anew; the body says how it ended.",
    "gateway.request.decided": "A client's message got a verdict; with the answer's verdict once it came.",
    "gateway.message.decided": "A server's message that answers nothing (notification, request) got a verdict.",
    "gateway.request.refused": "A message never reached the pipeline: nobody, malformed, too large, wrong era.",
    "gateway.session.opened": "A session of the older era began, bound to a principal and a server.",
    "gateway.session.closed": "A session of the older era ended.",
    "gateway.endpoint.narrowed": "A server is missing from what an endpoint shows; the body says which and why.",
    "gateway.endpoint.collided": "An entry was not listed: its name looks like another server's, or is there twice.",
    "gateway.upstream.spawned": "A server was started over stdio; the body has its command and its sandbox.",
    "gateway.upstream.exited": "A spawned server ended; the body says how.",
    "gateway.upstream.failed": "An upstream refused, hung or broke off.",
    "gateway.loop.noticed": "A client sent exactly the same call so often that it may be going round in circles.",
    "gateway.caller.verified": "An access token was seen for the first time and verified; the body has its scopes.",
    "gateway.scope.elevated": "A principal's client came back with scopes that it did not have before.",
    "gateway.principal.minted": "A client got a bearer token; the token itself is nowhere in the event.",
    "gateway.principal.revoked": "A client's token was revoked.",
    "gateway.credential.obtained": "A token for a server was got; the body says whence and for what, never the token.",
    "gateway.order.issued": "A containment order was committed, with its generation.",
    "gateway.order.acknowledged": "A gateway has an order's generation in force.",
    "gateway.order.lifted": "A containment order was lifted.",
    "gateway.probe.answered": "A probe asked the live pipeline what it would do; nothing was forwarded.",
    # the registry
    "registry.definition.seen": "A definition was seen for the first time; the body holds its canonical form.",
    "registry.pin.trusted": "A definition was trusted on first use, after inspection.",
    "registry.pin.changed": "A server shows another definition than the pinned one.",
    "registry.pin.held": "A definition was held: not listed, not callable.",
    "registry.pin.restored": "A server shows the pinned definition again after another one.",
    "registry.pin.approved": "A person approved a definition.",
    # detection and response
    "detect.alert.raised": "A rule matched; derived id.",
    "detect.rule.failed": "A rule could not be evaluated.",
    "respond.incident.opened": "Alerts became an incident.",
    "respond.incident.updated": "An incident got another alert or another state.",
    "respond.playbook.started": "A playbook run began.",
    "respond.step.completed": "A playbook step was carried out; the body has its evidence.",
    "respond.step.skipped": "A playbook step's condition did not hold.",
    "respond.step.failed": "A playbook step failed.",
    "respond.playbook.finished": "A playbook run ended; the body says how.",
    "respond.playbook.parked": "A run belongs to another engine version: it is not touched, and a person has to act.",
    "respond.containment.verified": "Every live gateway acknowledged and the probe was refused.",
    "respond.containment.unverified": "An order was given, and its effect could not be proven.",
    "respond.notification.sent": "Somebody was told.",
    # faces and administration
    "web.link.issued": "A one-time link to the console was made.",
    "web.operator.entered": "An operator redeemed a link.",
    "web.operator.refused": "A link or a cookie was not accepted.",
    "admin.config.loaded": "Settings were read; the body has their hash, never their secrets.",
    "admin.service.started": "A service process began.",
    "admin.service.stopped": "A service process ended.",
    # emulation
    "exercise.step.seen": "A demo or drill step and whether its expected outcome was seen.",
}
