"""What Cedar says of one question under some policies, and what that means: error, deny, ask, modify or allow.

Cedar knows two effects. A forbid that is annotated as soft softens only its own no: the call must be permitted once
the soft forbids are taken away, and no hard one may speak. Precedence: deny, ask, modify, allow.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cedarpy
import msgspec

from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.reads import FACTS, Reads
from watchkeeper.policy.slices import ACTIONS, resource_of
from watchkeeper.policy.sources import Policy, policy_set

FAILED = Verdict(Effect.DENY, ("policy.error",), "A policy could not be evaluated, so this was denied. Tell the user.")
"""What an unknown failure means."""
UNANSWERED = Verdict(Effect.DENY, (), "No policy allows this.")
_numbers = itertools.count()
_UNREAD = {"pin": "none"}
_log = logging.getLogger(__name__)


class Erred(Exception):
    """Cedar could not evaluate these policies, or came to no decision."""

    def __init__(self, policies: frozenset[str]) -> None:
        super().__init__()
        self.policies = policies


class Answer(msgspec.Struct, frozen=True):
    """A verdict, and every policy that had a part in it."""

    verdict: Verdict
    parts: frozenset[str] = frozenset()
    """Unlike the verdict's rules, with those that erred, and the permits below a soft no."""


class Bench(msgspec.Struct, frozen=True):
    """Policies that are asked together, ready to be asked."""

    number: int
    """No two have the same."""
    policies: tuple[Policy, ...]
    handle: Any
    permits: Any
    """The permits alone, where a forbid is soft."""
    reads: Reads


def bench_of(policies: Sequence[Policy]) -> Bench:
    """A bench of these policies."""
    reads = Reads()
    for policy in policies:
        reads = reads | policy.reads
    is_soft = any(policy.terms.obligation for policy in policies)
    permits = _handle([policy for policy in policies if not policy.is_forbid]) if is_soft else None
    return Bench(next(_numbers), tuple(policies), _handle(policies), permits, reads)


def ask(bench: Bench, question: Question, arguments: dict[str, Any] | None) -> Answer:
    """The answer of a bench; `FAILED` where a policy errs."""
    try:
        return _ask(bench, question, arguments)
    except Erred as erred:
        return Answer(FAILED, erred.policies)


def _ask(bench: Bench, question: Question, arguments: dict[str, Any] | None) -> Answer:
    request, entities = _request(question, bench.reads.members, arguments), _entities_of(question)
    is_allowed, rules = _authorize(bench.handle, request, entities)
    if is_allowed or not rules:
        return Answer(_verdict(bench, Effect.ALLOW, rules) if is_allowed else UNANSWERED, rules)
    hard = frozenset(policy.id for policy in bench.policies if policy.id in rules and not policy.terms.obligation)
    if hard:
        return Answer(_verdict(bench, Effect.DENY, hard), hard)
    is_permitted, permits = _authorize(bench.permits, request, entities)
    return Answer(_softened(bench, rules) if is_permitted else UNANSWERED, rules | permits)


def _softened(bench: Bench, rules: frozenset[str]) -> Verdict:
    spoken = sorted((policy for policy in bench.policies if policy.id in rules), key=lambda policy: policy.id)
    obligations = tuple(policy.terms.obligation for policy in spoken if policy.terms.obligation)
    is_asking = any(obligation.effect is Effect.ASK for obligation in obligations)
    verdict = _verdict(bench, Effect.ASK if is_asking else Effect.MODIFY, rules)
    return msgspec.structs.replace(verdict, obligations=obligations)


def _authorize(handle: Any, request: dict[str, Any], entities: Any) -> tuple[bool, frozenset[str]]:
    answer = cedarpy.is_authorized(request, handle, entities)
    errors = answer.diagnostics.errors
    if errors or answer.decision is cedarpy.Decision.NoDecision:
        named = frozenset(f[1] for f in (re.search(r"policy `([^`]+)`", error) for error in errors) if f)
        _log.error("policies erred", extra={"policies": sorted(named)})
        raise Erred(named)
    return answer.decision is cedarpy.Decision.Allow, frozenset(answer.diagnostics.reasons)


def _verdict(bench: Bench, effect: Effect, rules: frozenset[str]) -> Verdict:
    return Verdict(
        effect, tuple(sorted(rules)), " ".join(policy.reason for policy in bench.policies if policy.id in rules)
    )


def _handle(policies: Sequence[Policy]) -> Any:
    return cedarpy.PolicySet.from_json_str(policy_set(policies))


def _request(q: Question, members: frozenset[str], arguments: dict[str, Any] | None) -> dict[str, Any]:
    kind, name = resource_of(q.action, q.server, q.target)
    # what no policy reads stays out: a verdict must not depend on what its cache key leaves out
    context = {fact: getattr(q, fact) if fact in members else _UNREAD.get(fact, ()) for fact in FACTS}
    if q.action == "call_tool":
        context["arguments"] = arguments or {}  # a call has them, even where nobody reads any
    return {
        "principal": {"type": "Agent", "id": q.principal},
        "action": {"type": "Action", "id": q.action},
        "resource": {"type": kind, "id": name},
        "context": msgspec.json.encode(context).decode(),
    }


def _entities_of(q: Question) -> cedarpy.Entities:
    return _entities((q.principal, q.groups), q.action, q.server, q.target)


@lru_cache(maxsize=4_096)
def _entities(who: tuple[str, tuple[str, ...]], action: str, server: str, target: str) -> cedarpy.Entities:
    principal, groups = who
    kind, name = resource_of(action, server, target)
    parents = [{"type": "Group", "id": group} for group in groups]
    found: list[dict[str, Any]] = [{"uid": group, "attrs": {}, "parents": []} for group in parents]
    found.append({"uid": {"type": "Agent", "id": principal}, "attrs": {"name": principal}, "parents": parents})
    home = {"type": "Server", "id": server}
    found.append({"uid": home, "attrs": {"name": server}, "parents": []})
    if kind != "Server":
        attributes = {"name": target, "server": server}
        found.append({"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": [home]})
    kinds = [{"type": "Action", "id": group} for group in ACTIONS[action]]
    found += ({"uid": group, "attrs": {}, "parents": []} for group in kinds)
    found.append({"uid": {"type": "Action", "id": action}, "attrs": {}, "parents": kinds})
    return cedarpy.Entities.from_json_str(json.dumps(found))
