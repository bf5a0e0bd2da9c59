"""The decision: a question in, a verdict out, always.

Cedar alone is not fail-closed: a `forbid` whose condition errs is skipped, and the call allowed. So whatever Cedar
reports as an error, and whatever fails around it, ends in a deny under the rule `policy.error`; so does "no decision".
Partial evaluation is never used. Below: `sources` (files), `slices` (scope), `arguments` (tool arguments).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cedarpy
import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.arguments import ArgumentReader, Refused
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.reads import Reads
from watchkeeper.policy.slices import ACTIONS, resource_of, slice_of
from watchkeeper.policy.sources import Policy, policy_set, read

_log = logging.getLogger(__name__)
KNOWN = 16_384
"""Verdicts kept."""
T = TypeVar("T")

FAILED = Verdict(Effect.DENY, ("policy.error",), "A policy could not be evaluated, so this was denied. Tell the user.")
"""What an unknown failure means."""
UNANSWERED = Verdict(Effect.DENY, (), "No policy allows this.")


class Slice(msgspec.Struct, frozen=True):
    """The policies that can speak about one action on one resource, ready to be asked."""

    policies: tuple[Policy, ...]
    handle: Any
    reads: Reads


class PolicyEngine:
    """A set of policies. Immutable but for its caches; safe for many threads."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        self._verdicts: _Bounded[Verdict] = _Bounded(KNOWN)
        self._by_resource: _Bounded[Slice] = _Bounded(4_096)
        self._slices: _Bounded[Slice] = _Bounded(1_024)
        self._readers: _Bounded[ArgumentReader | Refused] = _Bounded(512)

    @classmethod
    def load(cls, folders: Path | Sequence[Path] | None = None) -> PolicyEngine:
        """The policies of these folders; without any, the starter set.

        Raises `Misconfigured`, naming file, line and policy, when one of them is wrong, and when there are none.
        """
        chosen = (
            [content_folder("policies")] if folders is None else [folders] if isinstance(folders, Path) else folders
        )
        policies, problems = read(chosen)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise Misconfigured(f"{problems[0]}{more}", hint="see docs/concepts/policy.md; then load again")
        if not policies:
            raise Misconfigured(
                "there are no policies, so everything would be denied", hint="name a folder with *.cedar"
            )
        return cls(policies)

    def decide(self, question: Question, input_schema: bytes | None = None) -> Verdict:
        """The verdict. `input_schema` is that of the pinned tool; it matters only where a policy reads arguments."""
        q = question
        key = (q.principal, q.groups, q.action, q.server, q.target, q.pin, q.findings)
        try:
            known = self._verdicts.get(key)
            return known if known is not None else self._decide(q, key, input_schema)
        except Refused as refused:
            return Verdict(Effect.DENY, (refused.rule,), refused.reason)
        except Exception:  # noqa: BLE001 — total: an unknown failure means deny
            _log.exception("a policy decision failed")
            return FAILED

    @property
    def cached(self) -> int:
        """How many verdicts are kept."""
        return len(self._verdicts)

    def _decide(self, q: Question, key: tuple[Any, ...], input_schema: bytes | None) -> Verdict:
        if q.action not in ACTIONS:
            return UNANSWERED
        chosen = self._slice(q)
        if not chosen.reads:
            return self._verdicts.put(key, _ask(chosen, q, None))
        arguments = self._reader(chosen, input_schema).read(q.arguments)
        text = json.dumps(arguments, sort_keys=True)
        longer = (*key, input_schema, text)
        known = self._verdicts.get(longer)
        return known if known is not None else self._verdicts.put(longer, _ask(chosen, q, arguments))

    def _slice(self, q: Question) -> Slice:
        place = (q.action, q.server, q.target)
        if (known := self._by_resource.get(place)) is not None:
            return known
        indices = slice_of(self.policies, *place)
        found = self._slices.get(indices) or self._slices.put(indices, self._make_slice(indices))
        return self._by_resource.put(place, found)

    def _make_slice(self, indices: tuple[int, ...]) -> Slice:
        policies = tuple(self.policies[index] for index in indices)
        reads = Reads()
        for policy in policies:
            reads = reads | policy.reads
        return Slice(policies, cedarpy.PolicySet.from_json_str(policy_set(policies)), reads)

    def _reader(self, chosen: Slice, input_schema: bytes | None) -> ArgumentReader:
        key = (tuple(policy.id for policy in chosen.policies), input_schema)
        known = self._readers.get(key)
        if known is None:
            known = self._readers.put(key, _make_reader(chosen, input_schema))
        if isinstance(known, Refused):
            raise known
        return known


class _Bounded(dict[Any, T]):
    """A dictionary that forgets its oldest entry rather than grow: its keys come from agents."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, key: Any, value: T) -> T:
        while len(self) >= self._limit:
            with suppress(RuntimeError, StopIteration):  # another thread was quicker
                self.pop(next(iter(self)), None)
        self[key] = value
        return value


def _make_reader(chosen: Slice, input_schema: bytes | None) -> ArgumentReader | Refused:
    try:
        return ArgumentReader(chosen.policies, chosen.reads, input_schema)
    except Refused as refused:
        return refused


def _ask(chosen: Slice, q: Question, arguments: dict[str, Any] | None) -> Verdict:
    kind, name = resource_of(q.action, q.server, q.target)
    context: dict[str, Any] = {"pin": q.pin, "findings": list(q.findings)}
    if arguments is not None:
        context["arguments"] = arguments
    answer = cedarpy.is_authorized(
        {
            "principal": {"type": "Agent", "id": q.principal},
            "action": {"type": "Action", "id": q.action},
            "resource": {"type": kind, "id": name},
            "context": json.dumps(context),
        },
        chosen.handle,
        _entities((q.principal, q.groups), (kind, name), q.server, q.target),
    )
    errors = answer.diagnostics.errors
    if errors or answer.decision is cedarpy.Decision.NoDecision:
        named = [f for f in (re.search(r"policy `([^`]+)`", error) for error in errors) if f]
        _log.error("policies erred", extra={"policies": [found[1] for found in named]})
        return FAILED
    rules = tuple(sorted(answer.diagnostics.reasons))
    if answer.decision is cedarpy.Decision.Allow:
        return Verdict(Effect.ALLOW, rules, _reason(chosen, rules))
    return Verdict(Effect.DENY, rules, _reason(chosen, rules)) if rules else UNANSWERED


def _reason(chosen: Slice, rules: tuple[str, ...]) -> str:
    return " ".join(policy.reason for policy in chosen.policies if policy.id in rules)


@lru_cache(maxsize=4_096)
def _entities(who: tuple[str, tuple[str, ...]], what: tuple[str, str], server: str, target: str) -> cedarpy.Entities:
    principal, groups = who
    kind, name = what
    parents = [{"type": "Group", "id": group} for group in groups]
    found: list[dict[str, Any]] = [{"uid": group, "attrs": {}, "parents": []} for group in parents]
    found.append({"uid": {"type": "Agent", "id": principal}, "attrs": {"name": principal}, "parents": parents})
    home = {"type": "Server", "id": server}
    found.append({"uid": home, "attrs": {"name": server}, "parents": []})
    if kind != "Server":
        attributes = {"name": target, "server": server}
        found.append({"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": [home]})
    return cedarpy.Entities.from_json_str(json.dumps(found))
