"""What the annotations of a policy say beside its id and reason: how its word is meant, and whether it counts yet.

| annotation | on | means |
|---|---|---|
| `@mode("shadow")` | any | it does not count; a verdict says what it would have done |
| `@effect("ask")` | forbid | a person may allow it: `@role`, `@quorum`, `@expires` |
| `@effect("modify")` | forbid | the message passes changed: `@transform`, `@classes` |
| `@replaces("id")` | any | a policy of another file that does not count beside this one; several with commas between |

A misspelt name could turn two approvals into one, so names that nobody knows are refused; one's own start with `x_`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from watchkeeper.policy.model import Effect, Obligation

ROLES = ("analyst", "responder", "admin")
"""Who may approve; a later one may do what an earlier one may."""
TRANSFORMS = ("redact",)
MOST_APPROVALS = 10
LONGEST_WAIT = 7 * 86_400
_OF_EFFECT = {
    Effect.ASK: frozenset({"role", "quorum", "expires"}),
    Effect.MODIFY: frozenset({"transform", "classes"}),
}
_KNOWN = frozenset({"id", "reason", "mode", "effect", "replaces"}).union(*_OF_EFFECT.values())
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Wrong(ValueError):
    """An annotation that cannot be meant; the message says which."""


class Terms(msgspec.Struct, frozen=True):
    """How the word of a policy is meant."""

    is_shadow: bool = False
    obligation: Obligation | None = None
    """Of a soft forbid."""
    replaces: tuple[str, ...] = ()
    """Policies that do not count while this one does."""


ENFORCED = Terms()


def terms_of(policy: str, is_forbid: bool, notes: Mapping[str, str | None]) -> Terms:
    """The terms of a policy with these annotations. Raises `Wrong`."""
    for name in notes:
        if name not in _KNOWN and not name.startswith("x_"):
            raise Wrong(f"nobody knows the annotation @{name}; one of your own starts with x_")
    mode = _one_of(notes, "mode", ("enforce", "shadow"), "enforce")
    effect = Effect(_one_of(notes, "effect", ("deny", "ask", "modify"), "deny"))
    if "effect" in notes and not is_forbid:
        raise Wrong("@effect belongs to a forbid: a permit has nothing to soften")
    for softer, names in _OF_EFFECT.items():
        if effect is not softer and (lost := sorted(names & notes.keys())):
            raise Wrong(f'@{lost[0]} means nothing without @effect("{softer}")')
    replaces = _ids(notes)
    if replaces and mode == "shadow":
        raise Wrong("a policy in shadow mode does not count, so it can replace none")
    return Terms(mode == "shadow", _obligation(policy, effect, notes), replaces)


def _obligation(policy: str, effect: Effect, notes: Mapping[str, str | None]) -> Obligation | None:
    if effect is Effect.ASK:
        role = _one_of(notes, "role", ROLES, "responder")
        return Obligation(policy, effect, role=role, quorum=_quorum(notes), expires=_seconds(notes))
    if effect is Effect.MODIFY:
        transform = _one_of(notes, "transform", TRANSFORMS, "redact")
        return Obligation(policy, effect, transform=transform, classes=_classes(notes))
    return None


def _one_of(notes: Mapping[str, str | None], name: str, values: tuple[str, ...], default: str) -> str:
    value = notes.get(name, default)
    if value not in values:
        raise Wrong(f"@{name} is one of {', '.join(values)}")
    return value


def _ids(notes: Mapping[str, str | None]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (notes.get("replaces") or "").split(",")) if "replaces" in notes else ()
    if not all(names):
        raise Wrong("@replaces needs the ids of policies")
    return names


def _quorum(notes: Mapping[str, str | None]) -> int:
    text = notes.get("quorum", "1") or ""
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_APPROVALS:
        raise Wrong(f"@quorum is a number of people from 1 to {MOST_APPROVALS}")
    return int(text)


def _seconds(notes: Mapping[str, str | None]) -> int:
    found = re.fullmatch("([0-9]{1,6})([smhd])", notes.get("expires", "15m") or "")
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_WAIT:
        raise Wrong("@expires is a time such as 30s, 15m, 2h or 7d, at most 7d")
    return seconds


def _classes(notes: Mapping[str, str | None]) -> tuple[str, ...]:
    words = [word.strip() for word in (notes.get("classes") or "").split(",")]
    if not all(_WORD.fullmatch(word) for word in words):
        raise Wrong('@effect("modify") needs @classes with the classes of text to change, such as "secret,email"')
    return tuple(sorted(set(words)))
