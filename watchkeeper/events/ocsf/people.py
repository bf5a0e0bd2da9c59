"""Who may what, as OCSF's identity and access events: clients, operators, tokens, grants, approvals, definitions."""

from __future__ import annotations

from typing import Any

from watchkeeper.events.model import Event
from watchkeeper.events.ocsf.bounds import name, names, sentence
from watchkeeper.events.ocsf.common import Out, actor, correlate, decided, done, endpoint, text, user


def account(event: Event, out: Out) -> None:
    """An account came, changed or went: the event's target is whose."""
    out["actor"] = actor(event)
    out["user"] = user(event.target)


def logon(event: Event, out: Out) -> None:
    """Somebody showed what they are let in by, or was not let in."""
    out["actor"] = actor(event)
    out["user"] = user(event.target if ":" in event.target else event.actor)
    out["service"] = {"name": name(event.server or "watchkeeper")}
    out["src_endpoint"] = endpoint(event.actor)
    out["is_remote"] = True
    if event.outcome == "deny":
        decided(event, out)
    elif not event.outcome:
        done(out)
    if session := text(event.body, "session"):
        out["session"] = {"uid": name(session)}
        correlate(out, session)


def token(event: Event, out: Out) -> None:
    """The same, by OAuth."""
    logon(event, out)
    out["auth_protocol_id"], out["auth_protocol"] = 6, "OAUTH 2.0"


def session(event: Event, out: Out) -> None:
    """A session got what it may."""
    out["actor"] = actor(event)
    out["user"] = user(event.actor)
    gained = names(event.body.get("gained") or event.body.get("scopes"))
    out["privileges"] = gained or [name(event.server or "unknown")]
    if not event.outcome:
        done(out)
    if said := text(event.body, "session"):
        out["session"] = {"uid": name(said)}
        correlate(out, said)


def access(*members: str) -> Any:
    """A right was given or taken; `members` of the body say which."""

    def shape(event: Event, out: Out) -> None:
        body = event.body
        out["actor"] = actor(event)
        out["user"] = user(text(body, "principal") or event.target or event.actor)
        found = [body.get(member) for member in members]
        out["privileges"] = [
            one for value in found for one in (names(value) if isinstance(value, (list, tuple)) else _one(value))
        ]
        if event.server:
            out["resources"] = [{"name": name(event.server), "type": "MCP server"}]
        correlate(out, text(body, "approval") or text(body, "grant") or text(body, "token"))

    return shape


def approval(event: Event, out: Out) -> None:
    """One call of one principal, which a person lets through or not."""
    access()(event, out)
    out["privileges"] = [name(f"{text(event.body, 'method') or 'call'} {event.target}")]
    if event.outcome in ("allow", "ask", "deny"):
        decided(event, out)
    if said := text(event.body, "said") or text(event.body, "because"):
        out["status_detail"] = sentence(said)


def definition(event: Event, out: Out) -> None:
    """A definition that a server shows, as a thing that is managed."""
    body = event.body
    out["actor"] = actor(event)
    out["entity"] = entity = {
        "name": name(event.target or "unknown"),
        "uid": name(f"{event.server}/{text(body, 'definition') or 'definition'}/{event.target}"),
        "type": name(text(body, "definition") or "definition"),
        "type_id": 99,
    }
    if fingerprint := text(body, "fingerprint"):
        entity["version"] = name(fingerprint)


def policies(event: Event, out: Out) -> None:
    """A set of policies, or what is let be."""
    out["actor"] = actor(event)
    body = event.body
    policy: Out = {"name": name(event.target or "policies"), "type": "Cedar"}
    if digest := text(body, "digest"):
        policy["uid"] = name(digest)
    if body.get("version"):
        policy["version"] = name(body["version"])
    out["entity"] = {"name": policy["name"], "type_id": 5, "type": "Policy", "policy": policy}
    correlate(out, text(body, "digest"))


def exception(event: Event, out: Out) -> None:
    """Which alerts nobody need be woken for."""
    out["actor"] = actor(event)
    policy: Out = {
        "uid": name(event.target),
        "name": name(text(event.body, "rule") or "all rules"),
        "type": "Exception",
    }
    if reason := text(event.body, "reason"):
        policy["desc"] = sentence(reason)
    out["entity"] = {"name": policy["name"], "type_id": 5, "type": "Policy", "policy": policy}
    correlate(out, event.target)


def baseline(event: Event, out: Out) -> None:
    """What is learned of somebody, as a thing that is managed."""
    out["actor"] = actor(event)
    out["entity"] = {
        "name": name(event.target or "unknown"),
        "uid": name(text(event.body, "baseline") or "unknown"),
        "type": "Baseline",
        "type_id": 99,
    }


def rule(event: Event, out: Out) -> None:
    """A detection rule, as a thing that is managed."""
    body = event.body
    out["actor"] = actor(event)
    out["entity"] = {
        "name": name(event.target or "unknown"),
        "uid": name(text(body, "rule") or "unknown"),
        "type": "Detection rule",
        "type_id": 99,
        "version": name(text(body, "version") or "unknown"),
    }
    if reason := text(body, "reason"):
        out["comment"] = sentence(reason)


def hunt(event: Event, out: Out) -> None:
    """A hunt that is run by itself, as a thing that is managed."""
    out["actor"] = actor(event)
    out["entity"] = {"name": name(event.target or "unknown"), "type": "Hunt", "type_id": 99}


def _one(value: object) -> list[str]:
    return [name(value)] if isinstance(value, str) and value else []
