"""Processes, servers, orders, playbooks and the journal, as OCSF's lifecycle, remediation and log events."""

from __future__ import annotations

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.bounds import name, sentence
from watchkeeper.events.ocsf.classes import OTHER
from watchkeeper.events.ocsf.common import PRODUCT, Out, correlate, text

_ISOLATES = ("quarantine", "hold", "block", "revoke", "deny_egress")


def nothing_more(event: Event, out: Out) -> None:
    """What fits no class: all there is stands under `unmapped`."""


def ours(event: Event, out: Out) -> None:
    """A process of our own."""
    out["app"] = PRODUCT | {"feature": {"name": name(event.target or event.actor or "unknown")}}


def theirs(event: Event, out: Out) -> None:
    """A server behind the gateway."""
    out["app"] = {"name": name(event.server or "unknown")}


def order(event: Event, out: Out) -> None:
    """A containment order, at its giving, arrival or lifting."""
    body = event.body
    generation = body.get("generation")
    out["command_uid"] = name(text(body, "order") or f"generation {generation}")
    if event.kind != "gateway.order.lifted":
        _not_proven(out, "Ordered" if event.kind == "gateway.order.issued" else "Acknowledged")
    correlate(out, text(body, "incident") or text(body, "order"))


def ended(event: Event, out: Out) -> None:
    """Sessions, processes and tasks that a gateway ended."""
    body = event.body
    out["command_uid"] = name(event.id)
    if said := text(body, "reason"):
        out["status_detail"] = sentence(said)
    correlate(out, text(body, "incident") or event.id)


def run(event: Event, out: Out) -> None:
    """A playbook's run, or a step of it."""
    body = event.body
    step = text(body, "step")
    out["command_uid"] = name(f"{text(body, 'run') or event.id}{f'/{step}' if step else ''}")
    action = text(body, "action")
    if event.kind == "respond.step.skipped":
        _not_proven(out, "Skipped")
    elif action and any(word in action for word in _ISOLATES):
        out["activity_id"], out["activity_name"] = 1, "Isolate"
        if event.kind == "respond.step.completed":
            _not_proven(out, "Ordered")
    elif action:
        out["activity_id"], out["activity_name"] = OTHER, name(action)
    if said := text(body, "summary") or text(body, "advice") or text(body, "proof"):
        out["status_detail"] = sentence(said)
    correlate(out, event.target)


def _not_proven(out: Out, status: str) -> None:
    """An order that was given contains nothing yet: only a refused probe proves that, in an event of its own."""
    out["status_id"], out["status"] = OTHER, status


def log(event: Event, out: Out) -> None:
    """The journal about itself."""
    out["log_name"] = "watchkeeper.journal"
    out["log_provider"] = name(event.target or event.actor or "watchkeeper")


def lake(event: Event, out: Out) -> None:
    """The lake about itself."""
    out["log_name"] = "watchkeeper.lake"
    out["log_provider"] = name(event.target or event.actor or "watchkeeper")


def error(event: Event, out: Out) -> None:
    """Something does not work."""
    out["status_id"], out["status"] = 2, "Failure"
