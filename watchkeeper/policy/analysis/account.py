"""Why a question is answered as it is: each policy with what of it held, which nearly spoke, and what would change it.

Every part of a policy is put to Cedar on its own; nothing is worked out here that the engine does not say. Where the
arguments are not known, a policy that reads them is *unknown*, and so may the verdict be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import cedarpy
import msgspec

from watchkeeper.policy.analysis.again import Unknown, decide_again
from watchkeeper.policy.annotations import ENFORCED
from watchkeeper.policy.arguments import ArgumentReader, Refused
from watchkeeper.policy.asking import ask, bench_of
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.sources import Policy, policy_set

SPOKE, NEARLY, SILENT, ERRED, REFUSED, UNKNOWN = "spoke", "nearly", "silent", "erred", "refused", "unknown"
_ALL = {"op": "All"}
_BRACKETS = re.compile(r"(?<!\w)\(((?:context|principal|resource|action)[\w.]*)\)")
"""Those that Cedar writes around every access."""
_PLACES = ("principal", "action", "resource")


class Standing(msgspec.Struct, frozen=True):
    """One policy towards one question."""

    policy: str
    place: str
    """File and line."""
    word: str
    """What it says when it speaks: permit, deny, ask or modify."""
    is_shadow: bool
    state: str
    """`spoke`; `nearly`: one part did not hold; `silent`: more did not; `erred`; `refused`: the arguments cannot be
    judged; `unknown`: it reads arguments that were not kept."""
    unmet: tuple[str, ...] = ()
    """The parts that did not hold, as Cedar text; the scope's first."""
    note: str = ""


class Account(msgspec.Struct, frozen=True):
    """The whole answer, with its grounds."""

    verdict: Verdict | None
    """None where it cannot be said; `why` says what is missing."""
    why: str
    reads: tuple[str, ...]
    """What of the question some policy in its way looks at; `arguments.NAME` among them."""
    policies: tuple[Standing, ...]
    turns: tuple[str, ...]
    """What would change the outcome, a sentence each."""


def account(engine: PolicyEngine, question: Question, schema: bytes | None, *, is_whole: bool = True) -> Account:
    """Everything that can be said of one question. Without `is_whole`, its arguments were not kept."""
    again = decide_again(engine, question, schema, is_whole=is_whole)
    verdict, why = (None, again.reason) if isinstance(again, Unknown) else (again, "")
    standings = tuple(_standing(policy, question, schema, is_whole=is_whole) for policy in engine.policies)
    reads = {name for policy in engine.covering(question) for name in _reads(policy)}
    turns = () if verdict is None else tuple(_turns(engine, question, schema, verdict, standings))
    return Account(verdict, why, tuple(sorted(reads)), standings, turns)


def _reads(policy: Policy) -> Iterator[str]:
    yield from policy.reads.members
    yield from (f"arguments.{name}" for name in policy.reads.names)
    yield from ("arguments",) if policy.reads.everything else ()


def _standing(policy: Policy, question: Question, schema: bytes | None, *, is_whole: bool) -> Standing:
    obligation = policy.terms.obligation
    word = "permit" if not policy.is_forbid else obligation.effect.value if obligation else "deny"
    known = Standing(policy.id, f"{policy.file}:{policy.line}", word, policy.terms.is_shadow, SILENT)
    scope = tuple(
        _text_of_scope(policy, place) for place in _PLACES if not _holds(_only(policy, place), question, None)
    )
    if policy.reads and scope:
        return msgspec.structs.replace(known, unmet=scope)
    if policy.reads and not is_whole:
        return msgspec.structs.replace(known, state=UNKNOWN, note="inconclusive: arguments were redacted")
    try:
        reader = ArgumentReader([policy], policy.reads, schema) if policy.reads else None
        arguments = reader.read(question.arguments) if reader else None
    except Refused as refused:
        return msgspec.structs.replace(known, state=REFUSED, note=refused.reason)
    return _judged(policy, question, arguments, msgspec.structs.replace(known, unmet=scope))


def _judged(policy: Policy, question: Question, arguments: dict[str, Any] | None, known: Standing) -> Standing:
    if _holds(_with(policy, policy.tree["conditions"]), question, arguments) is None and not known.unmet:
        return msgspec.structs.replace(known, state=ERRED, note="its condition errs, so that everything is denied")
    unmet = (*known.unmet, *_unmet(policy, question, arguments))
    state = SPOKE if not unmet else NEARLY if len(unmet) == 1 else SILENT
    return msgspec.structs.replace(known, state=state, unmet=unmet)


def _unmet(policy: Policy, question: Question, arguments: dict[str, Any] | None) -> Iterator[str]:
    """The conjuncts that do not hold; what stands behind one that does not may be more than can be said."""
    held: list[dict[str, Any]] = []
    for part in _conjuncts(policy):
        if _holds(_with(policy, [*held, part]), question, arguments):
            held.append(part)
        elif _holds(_with(policy, [part]), question, arguments) is False or len(held) == len(_conjuncts(policy)) - 1:
            yield _text(policy, part)
        else:
            yield f"{_text(policy, part)} (cannot be said while another part does not hold)"


def _conjuncts(policy: Policy) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in policy.tree["conditions"]:
        bodies = list(_split(part["body"])) if part["kind"] == "when" else [part["body"]]
        found += ({"kind": part["kind"], "body": body} for body in bodies)
    return found


def _split(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "&&" in node:
        yield from _split(node["&&"]["left"])
        yield from _split(node["&&"]["right"])
    else:
        yield node


def _holds(policy: Policy, question: Question, arguments: dict[str, Any] | None) -> bool | None:
    """Whether a policy made to permit speaks; None where it errs."""
    verdict = ask(bench_of([policy]), question, arguments).verdict
    return True if verdict.effect is Effect.ALLOW else None if verdict.rules else False


def _with(policy: Policy, conditions: list[dict[str, Any]]) -> Policy:
    return _made(policy, dict.fromkeys(_PLACES, _ALL) | {"conditions": conditions})


def _only(policy: Policy, place: str) -> Policy:
    return _made(policy, dict.fromkeys(_PLACES, _ALL) | {place: policy.tree[place], "conditions": []})


def _made(policy: Policy, parts: dict[str, Any]) -> Policy:
    tree = policy.tree | parts | {"effect": "permit"}
    return msgspec.structs.replace(policy, tree=tree, is_forbid=False, terms=ENFORCED)


def _text(policy: Policy, part: dict[str, Any]) -> str:
    shown = _printed(_with(policy, [part]))
    body = shown[shown.index("{") + 1 : shown.rindex("}")]
    text = " ".join(body.split())
    while (plainer := _BRACKETS.sub(r"\1", text)) != text:
        text = plainer
    return ("not: " if part["kind"] == "unless" else "") + text


def _text_of_scope(policy: Policy, place: str) -> str:
    shown = _printed(_only(policy, place))
    found = re.search(rf"\b{place}\b[^,()]*(\[[^\]]*\])?", shown)
    return " ".join(found[0].split()) if found else place


def _printed(policy: Policy) -> str:
    tree = {name: value for name, value in policy.tree.items() if name != "annotations"}
    bare = msgspec.structs.replace(policy, tree=tree)
    text = json.dumps(json.loads(policy_set([bare])))
    return str(cedarpy.policies_from_json_str(text))


def _turns(
    engine: PolicyEngine, question: Question, schema: bytes | None, verdict: Verdict, standings: tuple[Standing, ...]
) -> Iterator[str]:
    for standing in standings:
        if standing.is_shadow or standing.state not in (SPOKE, NEARLY, ERRED, REFUSED):
            continue
        others = [policy for policy in engine.policies if policy.id != standing.policy]
        if standing.state == NEARLY:
            (policy,) = (policy for policy in engine.policies if policy.id == standing.policy)
            tree = policy.tree | dict.fromkeys(_PLACES, _ALL) | {"conditions": []}
            others.append(msgspec.structs.replace(policy, tree=tree))
        then = PolicyEngine(others).decide(question, schema)
        if then.effect is not verdict.effect:
            yield _sentence(standing, then)


def _sentence(standing: Standing, then: Verdict) -> str:
    if standing.state == NEARLY:
        return f"were it that {standing.unmet[0]}, {standing.policy} would speak: {then.effect.value}"
    return f"without {standing.policy}: {then.effect.value}"
