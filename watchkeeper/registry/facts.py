"""The registry's facts as events: what each move of a pin looks like in the journal. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from watchkeeper.core.text import visible
from watchkeeper.events import Event, Severity, new_event
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.redaction import CUT, redact
from watchkeeper.registry import transitions
from watchkeeper.registry.changes import ChangeClass, classify
from watchkeeper.registry.diff import unified
from watchkeeper.registry.kin import RENAMED, Kin
from watchkeeper.registry.lookalikes import Likeness
from watchkeeper.registry.model import Pin, SetApart, Sighting
from watchkeeper.registry.settings import TEXT_BYTES, PinSettings
from watchkeeper.registry.summary import summarise

ACTOR = "system:registry"
_SEVERITIES = {transitions.CHANGED: Severity.HIGH, transitions.HELD: Severity.MEDIUM}


class Occasion(msgspec.Struct, frozen=True):
    """When and by which terms a listing is noted."""

    tenant: str
    generation: int
    now: int
    terms: PinSettings
    text_bytes: int
    """Of a definition or a diff, in a fact."""


def definition_seen(on: Occasion, server: str, definition: Definition, findings: Sequence[Finding]) -> Event:
    """A definition's first appearance in the history of its name."""
    size = len(definition.canonical)
    body = {
        "definition": definition.kind,
        "fingerprint": definition.fingerprint,
        "bytes": size,
        "findings": _plain(findings),
    }
    if on.text_bytes:
        text = body["canonical"] = redact(definition.canonical, findings, on.text_bytes)
        if text.endswith(CUT):
            body["capture"] = {"canonical": {"mode": "redacted", "kept": len(text.encode()), "of": size}}
    else:
        body["capture"] = {"canonical": {"mode": "metadata", "kept": 0, "of": size}}
    return new_event(
        on.now,
        "registry.definition.seen",
        tenant=on.tenant,
        actor=ACTOR,
        server=server,
        target=definition.name,
        severity=Severity.MEDIUM if findings else Severity.INFORMATIONAL,
        body=body,
    )


def pin_moved(
    now: int,
    tenant: str,
    step: transitions.Step,
    *,
    actor: str = ACTOR,
    reason: str = "",
    findings: Collection[Finding] = (),
) -> Event:
    """A pin that was trusted, held, restored or approved."""
    body = {"reason": reason or step.pin.reason, "findings": _plain(findings)}
    return _about(now, tenant, step, actor, body)


def pin_changed(on: Occasion, step: transitions.Step, *, old: Sighting | None, new: Sighting | None) -> Event:
    """A server shows another definition than the pinned one: both fingerprints, and how they differ."""
    shown = without_secrets(old), without_secrets(new)
    text = unified(*shown, before="pinned", after="seen")
    added, removed = _count(text)
    body = {
        "reason": step.pin.reason,
        "class": step.pin.change or ("cosmetic" if step.was else ""),
        "old": step.was or step.pin.pinned,
        "new": step.pin.seen,
        "added": added,
        "removed": removed,
        "findings": _plain(new.findings if new else ()),
        **_difference(shown, text, on.text_bytes),
    }
    return _about(on.now, on.tenant, step, ACTOR, body)


def pin_akin(now: int, tenant: str, pin: Pin, kin: Kin) -> Event:
    """A new name whose definition was known under another that is gone."""
    body = {
        "definition": pin.kind,
        "fingerprint": pin.seen,
        "from_server": kin.server,
        "from_name": kin.name,
        "likeness": round(kin.likeness, 3),
        "from_held": kin.is_held,
    }
    kind = transitions.RENAMED if kin.how == RENAMED else transitions.MOVED
    severity = Severity.MEDIUM if kin.is_held else Severity.LOW
    return _of_pin(pin, now, kind, tenant=tenant, severity=severity, body=body)


def looks_alike(now: int, tenant: str, pin: Pin, like: Likeness) -> Event:
    """A new name that could be taken for another server's."""
    body = {"definition": pin.kind, "other_server": like.server, "other_name": like.name, "likeness": like.how}
    severity = Severity.INFORMATIONAL if like.how == "same" else Severity.MEDIUM
    kind = "registry.lookalike.noticed"
    return _of_pin(pin, now, kind, tenant=tenant, severity=severity, body=body, labels=(like.label,))


def canary_differed(on: Occasion, pin: Pin, found: SetApart, *, old: Sighting | None, new: Sighting | None) -> Event:
    """A server shows a client another definition than the canary."""
    shown = without_secrets(old), without_secrets(new)
    body = {
        "definition": pin.kind,
        "reason": pin.reason,
        "depends_on": found.depends_on,
        "client": visible(found.client, limit=200),
        "shown": found.shown,
        "canary": found.canary,
        "class": classify(old.canonical, new.canonical).value if old and new else "",
        **_difference(shown, unified(*shown, before="canary", after="client"), on.text_bytes),
    }
    return _of_pin(pin, on.now, "registry.canary.differed", tenant=on.tenant, severity=Severity.HIGH, body=body)


def _of_pin(pin: Pin, now: int, kind: str, **more: Any) -> Event:
    return new_event(now, kind, actor=ACTOR, server=pin.server, target=pin.name, **more)


def _severity(step: transitions.Step) -> Severity:
    if step.event == transitions.CHANGED and step.pin.change == ChangeClass.COSMETIC:
        return Severity.MEDIUM
    return _SEVERITIES.get(step.event, Severity.INFORMATIONAL)


def _about(now: int, tenant: str, step: transitions.Step, actor: str, body: dict[str, Any]) -> Event:
    pin = step.pin
    common = {"definition": pin.kind, "fingerprint": pin.seen, "state": pin.state.value}
    return new_event(
        now,
        step.event,
        tenant=tenant,
        actor=actor,
        server=pin.server,
        target=pin.name,
        outcome="success",
        severity=_severity(step),
        body=common | body,
    )


def _plain(findings: Collection[Finding]) -> list[Any]:
    return [msgspec.to_builtins(f) for f in findings]


def without_secrets(shown: Sighting | None) -> bytes:
    """A definition without the secrets that were found in it, still JSON."""
    return redact(shown.canonical, shown.findings, 2 * len(shown.canonical) + TEXT_BYTES).encode() if shown else b""


def _count(diff: str) -> tuple[int, int]:
    lines = diff.split("\n")[2:]
    return sum(x.startswith("+") for x in lines), sum(x.startswith("-") for x in lines)


def _difference(shown: tuple[bytes, bytes], text: str, most: int) -> dict[str, Any]:
    """In words and as a diff, as far as text is kept; whole it is in the control state."""
    if not most:
        return {"capture": {"diff": {"mode": "metadata", "kept": 0, "of": len(text)}}}
    diff = text if len(text) <= most else f"{text[:most]}… ({len(text)} characters in all)"
    return {"summary": list(summarise(*shown)), "diff": diff}
