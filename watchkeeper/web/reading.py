"""Reading the event of a decided message without trusting the shape of its body. Pure."""

from __future__ import annotations

from typing import Any

from watchkeeper.events import Event

_RANK = ("allow", "modify", "ask", "deny", "refused")


def verdict(event: Event) -> str:
    """What became of the message: the harder of the verdicts on the call and on its answer."""
    if event.kind == "gateway.request.refused":
        return "refused"
    outcomes = [word for word in (event.outcome, _text(_answer(event).get("outcome"))) if word]
    return max(outcomes, key=lambda word: _RANK.index(word) if word in _RANK else len(_RANK), default="")


def is_stopped(event: Event) -> bool:
    """Whether the message, or its answer, did not get through: denied, put to a person, or turned away."""
    return verdict(event) in {"ask", "deny", "refused"} and not is_unenforced(event)


def is_unenforced(event: Event) -> bool:
    """Shadow mode: the verdict was only written down."""
    return "shadow" in event.labels


def is_exercise(event: Event) -> bool:
    """Part of a demonstration or a drill."""
    return "exercise" in event.labels


def rules(event: Event) -> list[str]:
    """The ids of the rules that spoke, those of the harder verdict first."""
    return list(dict.fromkeys(str(rule) for part in _parts(event) for rule in _list(part.get("rules"))))


def reason(event: Event) -> str:
    """Why, as the model was told: the harder verdict's reason, and never the other's."""
    return _text(_parts(event)[0].get("reason"))


def because(event: Event) -> str:
    """The reason; where none was recorded, what was noticed."""
    labels = {_text(finding.get("label")).replace("_", " ") for finding in findings(event)} - {""}
    return reason(event) or ("Noticed: " + ", ".join(sorted(labels)) if labels else "")


def method(event: Event) -> str:
    """`tools/call` and the like."""
    return _text(event.body.get("method"))


def took(event: Event) -> int | None:
    """Microseconds from the first byte in to the last byte out."""
    value = event.body.get("duration_us")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def findings(event: Event) -> list[dict[str, Any]]:
    """What inspectors noticed."""
    return [item for item in _list(event.body.get("findings")) if isinstance(item, dict)]


def _parts(event: Event) -> list[dict[str, Any]]:
    """The ruling on the call and that on its answer, the harder one first."""
    parts = [event.body, _answer(event)]
    is_answer_harder = verdict(event) != event.outcome and _answer(event).get("outcome") == verdict(event)
    return parts[::-1] if is_answer_harder else parts


def _answer(event: Event) -> dict[str, Any]:
    answer = event.body.get("answer")
    return answer if isinstance(answer, dict) else {}


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
