"""How alerts are worded on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchkeeper.cli import output
from watchkeeper.core.text import visible
from watchkeeper.events.model import SEVERITIES

SHORT = 13
"""Characters of an id that name it on a terminal."""


def page(found: Mapping[str, Any]) -> list[str]:
    """An alert with everything about it, a line each; no value makes lines of its own."""
    alert, body = found["alert"], found["body"]
    lines = [
        f"{alert['id']}  {SEVERITIES[alert['severity']]}  {alert['title']}",
        "",
        f"  state       {_state(alert)}",
        f"  rule        {alert['name']} ({alert['rule']})",
        f"  about       {alert['group'] or '-'}",
        f"  principal   {alert['principal'] or 'nobody was verified'}",
        f"  outcome     {alert['outcome'] or '-'}",
        f"  seen        {alert['count']} time(s), last {output.moment(alert['last_time'])}",
        f"  raised      {output.moment(alert['time'])}",
        f"  event       {alert['event']} ({alert['event_kind']})",
    ]
    lines += [f"  {name:<10}  {value}" for name, value in _more(body)]
    if not body:
        lines += ["", "  What was recorded of it cannot be read any more."]
    if body.get("reasons"):
        lines += ["", "  why this severity:", *(f"    {reason}" for reason in body["reasons"])]
    if body.get("context"):
        lines += ["", "  what is known:", *(f"    {name:<13} {known(fact)}" for name, fact in body["context"].items())]
    if found["history"]:
        lines += ["", "  what was made of it:", *(f"    {_made(one)}" for one in found["history"])]
    if found["neighbours"]:
        lines += ["", "  around it:", *(f"    {_near(one)}" for one in found["neighbours"])]
    return [visible(line) for line in lines]


def known(fact: Mapping[str, Any]) -> str:
    """What one source says."""
    if not fact["known"]:
        return f"not known: {fact.get('why', 'nobody said why')}"
    says = {name: value for name, value in fact.get("says", {}).items() if value not in ("", 0, [], None)}
    return ", ".join(f"{name} {_value(name, value)}" for name, value in says.items()) or "nothing to say"


def rate(one: Mapping[str, Any]) -> str:
    """A rate with its interval and its n; never one without the other."""
    if one["rate"] is None:
        return "not known (n = 0)"
    return f"{one['rate']:.0%} ({one['low']:.0%}-{one['high']:.0%}, n = {one['of']})"


def impact(one: Mapping[str, Any]) -> list[str]:
    """What an exception would have held back."""
    lines = [
        f"Of the {one['looked_at']} alerts of the last {one['days']:g} days it would have held {one['would_hold']}."
    ]
    lines += [f"  {count:>6}  {title}" for title, count in one["by_rule"].items()]
    if one["true_positives"]:
        lines.append(f"  CAREFUL: {one['true_positives']} of these a person had called a true positive.")
    if one["critical"]:
        lines.append(f"  {one['critical']} more are critical and would have come through.")
    if one["not_known"]:
        lines.append(f"  Of {one['not_known']} it is not known: their events cannot be read any more.")
    if not one["is_all"]:
        lines.append("  Older alerts were not looked at.")
    return lines


def condition(where: Mapping[str, Any]) -> str:
    """An exception's condition on one line."""
    said = (
        f"{name}={'|'.join(map(str, value)) if isinstance(value, list) else value}" for name, value in where.items()
    )
    return " and ".join(said)


def _state(alert: Mapping[str, Any]) -> str:
    said = str(alert["state"])
    if alert["disposition"]:
        said += f", {alert['disposition'].replace('_', ' ')}"
    if alert["assignee"]:
        said += f", {alert['assignee']}"
    return f"{said}: {alert['note']}" if alert["note"] else said


def _more(body: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    news = ", ".join(body.get("news") or ())
    found = [
        ("new", f"{news}, against {body.get('first', '')}" if news else ""),
        ("held by", f"{body.get('exception', '')}: {body.get('because', '')}" if body.get("exception") else ""),
        ("do first", body.get("response", "")),
    ]
    return [pair for pair in found if pair[1]]


def _value(name: str, value: Any) -> str:
    if name.endswith(("_at", "_seen")) and isinstance(value, int):
        return output.moment(value)
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)


def _made(one: Mapping[str, Any]) -> str:
    what = " ".join(part for part in (one["act"], one["disposition"].replace("_", " "), one["assignee"]) if part)
    return f"{output.moment(one['time'])}  {one['by']}  {what}" + (f": {one['note']}" if one["note"] else "")


def _near(one: Mapping[str, Any]) -> str:
    return f"{output.moment(one['time'])}  {one['id'][:SHORT]}  {SEVERITIES[one['severity']]}  {one['title']}"
