"""The decision: a question in, a verdict out, always.

Cedar alone is not fail-closed: a `forbid` whose condition errs is skipped, and the call allowed. So whatever Cedar
reports as an error, and whatever fails around it, ends in a deny under the rule `policy.error`; so does "no decision".
Partial evaluation is never used. Below: `sources` (files), `slices` (scope), `arguments` (tool arguments), `asking`
(one question to Cedar). A policy in shadow mode never counts, not even by an error: it is asked beside the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.policy.arguments import ArgumentReader, Refused
from watchkeeper.policy.asking import FAILED, UNANSWERED, Answer, Bench, ask, bench_of
from watchkeeper.policy.bounded import Bounded
from watchkeeper.policy.digest import version_of
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.reads import thresholds_of
from watchkeeper.policy.slices import ACTIONS, Index
from watchkeeper.policy.sources import Policy, read
from watchkeeper.policy.wants import wanted_by

_SORTED = msgspec.json.Encoder(order="sorted")
_log = logging.getLogger(__name__)
KNOWN = 16_384
"""Verdicts kept."""
SLICES = 1_024
"""Slices kept; one of forty policies takes 160 KB."""
LONGEST = 1_024
"""Characters of a name, or of the arguments that are read; a verdict about longer ones is not kept."""


class Slice(msgspec.Struct, frozen=True, eq=False):
    """The policies that meet some questions."""

    enforced: Bench
    whole: Bench
    """With those in shadow mode; the same bench where there are none."""
    inputs_of: Callable[[Question], Any]
    """Of a question, whatever these policies can see beside its arguments: equal inputs get equal verdicts."""


class PolicyEngine:
    """A set of policies. Immutable but for its caches; safe for many threads."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        self._index = Index(self.policies)
        self._verdicts: Bounded[Verdict] = Bounded(KNOWN)
        self._places: Bounded[Slice] = Bounded(KNOWN)
        """Who, what, of what → slice."""
        self._slices: Bounded[Slice] = Bounded(SLICES)
        self._readers: Bounded[ArgumentReader | Refused] = Bounded(512)

    @classmethod
    def load(cls, folders: Path | Sequence[Path] | None = None, windows: Collection[str] | None = None) -> PolicyEngine:
        """The policies of these folders; without any, the starter set. `windows`: the names there are, if known.

        Raises `Misconfigured`, naming file, line and policy, when one of them is wrong, and when there are none.
        """
        chosen = (
            [content_folder("policies")] if folders is None else [folders] if isinstance(folders, Path) else folders
        )
        policies, problems = read(chosen, windows)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise Misconfigured(f"{problems[0]}{more}", hint="see docs/concepts/policy.md; then load again")
        if not policies:
            raise Misconfigured(
                "there are no policies, so everything would be denied", hint="name a folder with *.cedar"
            )
        return cls(policies)

    @cached_property
    def members(self) -> frozenset[str]:
        """The members of a question, arguments aside, that some condition reads: nobody need provide the others."""
        return frozenset[str]().union(*(policy.reads.members for policy in self.policies))

    @cached_property
    def thresholds(self) -> dict[str, tuple[int, ...]]:
        """Counter → the thresholds that policies speak of (`context.counts.contains("calls_over_50")`), ascending."""
        found: dict[str, set[int]] = {}
        for policy in self.policies:
            for counter, threshold in thresholds_of(policy.tree) if "counts" in policy.reads.members else ():
                found.setdefault(counter, set()).add(threshold)
        return {counter: tuple(sorted(found[counter])) for counter in sorted(found)}

    @cached_property
    def version(self) -> str:
        """Tells this set from every other: decisions are recorded with it, and approvals bound to it."""
        return version_of(self.policies)

    @property
    def wanted(self) -> frozenset[str]:
        """Labels and classes of findings that some policy asks for, or `*`."""
        return wanted_by(self.policies)

    @property
    def cached(self) -> int:
        """How many verdicts are kept."""
        return len(self._verdicts)

    def covering(self, question: Question) -> tuple[Policy, ...]:
        """The policies whose scope covers a question; raises for one that is none."""
        return tuple(self.policies[index] for index in self._index.of(question))

    def decide(self, question: Question, input_schema: bytes | None = None) -> Verdict:
        """The verdict. `input_schema` is that of the pinned tool; it matters only where a policy reads arguments."""
        q = question
        try:
            chosen = self._places.get((q.principal, q.groups, q.action, q.server, q.target)) or self._slice(q)
            key = (chosen.whole.number, chosen.inputs_of(q))
            known = self._verdicts.get(key)
            return known if known is not None else self._decide(q, chosen, key, input_schema)
        except Exception:  # noqa: BLE001 — total: an unknown failure means deny
            _log.exception("a policy decision failed")
            return FAILED

    def _decide(self, q: Question, chosen: Slice, key: tuple[Any, ...], input_schema: bytes | None) -> Verdict:
        if q.action not in ACTIONS:
            return UNANSWERED
        arguments = self._read(chosen.enforced, q, input_schema)
        if isinstance(arguments, Refused):
            return _refused(arguments, chosen.enforced).verdict
        seen = arguments if chosen.whole is chosen.enforced else self._read(chosen.whole, q, input_schema)
        is_short = len(q.target) <= LONGEST
        if chosen.whole.reads:
            text = _SORTED.encode((arguments, seen.reason if isinstance(seen, Refused) else seen))
            key, is_short = (*key, input_schema, text), is_short and len(text) <= LONGEST
            if (known := self._verdicts.get(key)) is not None:
                return known
        verdict = _verdict(q, chosen, arguments, seen)
        return self._verdicts.put(key, verdict) if is_short else verdict

    def _read(self, bench: Bench, q: Question, input_schema: bytes | None) -> dict[str, Any] | Refused | None:
        """The arguments as this bench reads them; None when it reads none."""
        if not bench.reads:
            return None
        key = (bench.number, input_schema)
        reader = self._readers.get(key) or self._readers.put(key, _make_reader(bench, input_schema))
        try:
            return reader if isinstance(reader, Refused) else reader.read(q.arguments)
        except Refused as refused:
            return refused

    def _slice(self, q: Question) -> Slice:
        for name in (q.principal, *q.groups, q.server, q.target):
            name.encode()  # no text: a deny, whether the policies at hand look at it or not
        indices = self._index.of(q)
        found = self._slices.get(indices)
        if found is None:
            if len(self._slices) >= SLICES:
                self._places.clear()  # they would keep what is forgotten now
            found = self._slices.put(indices, self._make_slice(indices))
        place = (q.principal, q.groups, q.action, q.server, q.target)
        return self._places.put(place, found) if len(q.target) <= LONGEST else found

    def _make_slice(self, indices: tuple[int, ...]) -> Slice:
        policies = [self.policies[index] for index in indices]
        enforced = [policy for policy in policies if not policy.terms.is_shadow]
        whole = bench_of(policies)
        return Slice(
            whole if len(enforced) == len(policies) else bench_of(enforced),
            whole,
            attrgetter("action", *sorted(whole.reads.members - {"action"})),
        )


def _make_reader(bench: Bench, input_schema: bytes | None) -> ArgumentReader | Refused:
    try:
        return ArgumentReader(bench.policies, bench.reads, input_schema)
    except Refused as refused:
        return refused


def _verdict(
    q: Question, chosen: Slice, arguments: dict[str, Any] | None, seen: dict[str, Any] | Refused | None
) -> Verdict:
    """The verdict in force, with what the policies in shadow mode would make of it."""
    verdict = ask(chosen.enforced, q, arguments).verdict
    if chosen.whole is chosen.enforced:
        return verdict
    other = _refused(seen, chosen.whole) if isinstance(seen, Refused) else ask(chosen.whole, q, seen)
    would = other.verdict
    if (verdict.effect, verdict.obligations) == (would.effect, would.obligations):
        return verdict
    shadows = (policy.id for policy in chosen.whole.policies if policy.terms.is_shadow)
    shadowed = tuple(sorted(other.parts.intersection(shadows)))
    return msgspec.structs.replace(verdict, shadowed=shadowed, would=would.effect)


def _refused(refused: Refused, bench: Bench) -> Answer:
    readers = frozenset(policy.id for policy in bench.policies if policy.reads)
    return Answer(Verdict(Effect.DENY, (refused.rule,), refused.reason), readers)
