"""The decision: a question in, a verdict out, always.

Cedar alone is not fail-closed: a `forbid` whose condition errs is skipped, and the call allowed. So whatever Cedar
reports as an error, and whatever fails around it, ends in a deny under the rule `policy.error`; so does "no decision".
Partial evaluation is never used. Below: `sources` (files), `slices` (scope), `arguments` (tool arguments), `asking`
(one question to Cedar). A policy in shadow mode never counts, not even by an error: it is asked beside the others.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.arguments import ArgumentReader, Refused
from watchkeeper.policy.asking import FAILED, UNANSWERED, Answer, Bench, ask, bench_of
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.slices import ACTIONS, slice_of
from watchkeeper.policy.sources import Policy, read

_log = logging.getLogger(__name__)
KNOWN = 16_384
"""Verdicts kept."""
T = TypeVar("T")


class Slice(msgspec.Struct, frozen=True):
    """The policies that can speak about one action on one resource."""

    enforced: Bench
    whole: Bench | None
    """With those in shadow mode, where there are any."""


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
        key = (
            *(q.principal, q.groups, q.action, q.server, q.target, q.pin),
            *(q.findings, q.labels, q.flow, q.counts, q.times),
        )
        try:
            known = self._verdicts.get(key)
            return known if known is not None else self._decide(q, key, input_schema)
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
        arguments = self._read(chosen.enforced, q, input_schema)
        if isinstance(arguments, Refused):
            return _refused(arguments).verdict
        seen = None if chosen.whole is None else self._read(chosen.whole, q, input_schema)
        if arguments is not None or seen is not None:
            said = seen.reason if isinstance(seen, Refused) else seen
            key = (*key, input_schema, json.dumps((arguments, said), sort_keys=True))
            if (known := self._verdicts.get(key)) is not None:
                return known
        answer = ask(chosen.enforced, q, arguments)
        if chosen.whole is None:
            return self._verdicts.put(key, answer.verdict)
        other = _refused(seen, chosen.whole) if isinstance(seen, Refused) else ask(chosen.whole, q, seen)
        return self._verdicts.put(key, _with_shadow(answer, other, chosen.whole))

    def _read(self, bench: Bench, q: Question, input_schema: bytes | None) -> dict[str, Any] | Refused | None:
        """The arguments as this bench reads them; None when it reads none."""
        if not bench.reads:
            return None
        try:
            return self._reader(bench, input_schema).read(q.arguments)
        except Refused as refused:
            return refused

    def _slice(self, q: Question) -> Slice:
        place = (q.action, q.server, q.target)
        if (known := self._by_resource.get(place)) is not None:
            return known
        indices = slice_of(self.policies, *place)
        found = self._slices.get(indices) or self._slices.put(indices, self._make_slice(indices))
        return self._by_resource.put(place, found)

    def _make_slice(self, indices: tuple[int, ...]) -> Slice:
        policies = tuple(self.policies[index] for index in indices)
        enforced = [policy for policy in policies if not policy.terms.is_shadow]
        return Slice(bench_of(enforced), bench_of(policies) if len(enforced) < len(policies) else None)

    def _reader(self, chosen: Bench, input_schema: bytes | None) -> ArgumentReader:
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


def _make_reader(chosen: Bench, input_schema: bytes | None) -> ArgumentReader | Refused:
    try:
        return ArgumentReader(chosen.policies, chosen.reads, input_schema)
    except Refused as refused:
        return refused


def _refused(refused: Refused, bench: Bench | None = None) -> Answer:
    readers = frozenset(policy.id for policy in bench.policies if policy.reads) if bench else frozenset[str]()
    return Answer(Verdict(Effect.DENY, (refused.rule,), refused.reason), readers)


def _with_shadow(answer: Answer, other: Answer, whole: Bench) -> Verdict:
    """The verdict in force, with what the policies in shadow mode would make of it."""
    verdict, would = answer.verdict, other.verdict
    if (verdict.effect, verdict.obligations) == (would.effect, would.obligations):
        return verdict
    shadowed = sorted(policy.id for policy in whole.policies if policy.terms.is_shadow and policy.id in other.parts)
    return msgspec.structs.replace(verdict, shadowed=tuple(shadowed), would=would.effect)
