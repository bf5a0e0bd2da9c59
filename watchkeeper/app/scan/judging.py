"""What is thought of everything that was shown: both layers, beside the tools of the other servers, and likenesses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from watchkeeper.app.scan.model import Judged, Level, Reason, Shown
from watchkeeper.inspection.assessment import ALARMING, JUDGE, Assessment, Assessor
from watchkeeper.inspection.capabilities import capabilities
from watchkeeper.inspection.excerpts import shown as quoted
from watchkeeper.inspection.fingerprints import INSTRUCTIONS, Definition
from watchkeeper.inspection.judge import Peer
from watchkeeper.inspection.suppressing import Suppressions
from watchkeeper.registry.lookalikes import LOOKALIKE, Likeness, Names
from watchkeeper.registry.model import TOOL

TWICE = "names.twice"
"""Rule of a name that one listing shows with two definitions."""
UNREADABLE = "definition.unreadable"
_SEVERE = 4
_COMPARED = frozenset({TOOL, "prompt"})


def judged_of(shown: Sequence[Shown], assessor: Assessor, told: Callable[[str], None]) -> list[Judged]:
    """Every definition, in order."""
    peers = {id(one): _tools(one) for one in shown}
    names = {kind: Names() for kind in _COMPARED}
    found: list[Judged] = []
    for at, one in enumerate(shown):
        if one.definitions:
            told(f"judging {len(one.definitions)} definitions of {one.source.name} …")
        others = [pair for other in shown if other is not one for pair in peers[id(other)]]
        doubles = _doubles(one.definitions)
        for definition in one.definitions:
            extra = [doubles[definition.kind, definition.name]] if (definition.kind, definition.name) in doubles else []
            if definition.kind in _COMPARED:
                same = names[definition.kind]
                server = f"{at}:{one.source.name}"
                same.add(server, definition.name, at)
                if like := same.like(server, definition.name, at):
                    extra.append(_likeness(like, definition.name))
            # an exact copy is told by its name; held against itself it would always be an echo
            beside = [peer for fingerprint, peer in others if fingerprint != definition.fingerprint]
            found.append(_judge(one, definition, beside, assessor, extra))
    return found


def _judge(
    one: Shown, definition: Definition, peers: Sequence[Peer], assessor: Assessor, extra: Sequence[Reason]
) -> Judged:
    tree = _tree(definition)
    reasons, score = list(extra), 0.0
    if isinstance(tree, str):
        assessment = assessor.of_instructions(tree, peers)
    elif isinstance(tree, dict):
        assessment = assessor.of_definition(tree, peers)
    else:
        reasons.append(Reason(rule=UNREADABLE, label="unreadable", level=Level.SUSPICIOUS))
        assessment = None
    if assessment is not None:
        reasons += _reasons(assessment)
        score = assessment.score
    return Judged(
        source=one.source,
        kind=definition.kind,
        name=definition.name,
        fingerprint=definition.fingerprint,
        level=level_of(reasons),
        score=round(score, 4),
        reasons=tuple(reasons),
        can=capabilities().of_tool(definition.canonical) if definition.kind == TOOL else (),
    )


def let_be(one: Judged, suppressions: Suppressions) -> Judged:
    """The same with what somebody answered for marked so; it stays in sight and does not count."""
    reasons = []
    for reason in one.reasons:
        entry = suppressions.of(one.source.name, one.name, one.fingerprint, reason.rule, reason.label)
        reasons.append(msgspec.structs.replace(reason, suppressed=entry.words) if entry is not None else reason)
    return msgspec.structs.replace(one, reasons=tuple(reasons), level=level_of(reasons))


def level_of(reasons: Sequence[Reason]) -> Level:
    """The worst that counts."""
    return max((reason.level for reason in reasons if not reason.suppressed), default=Level.CLEAN)


def _reasons(assessment: Assessment) -> list[Reason]:
    found = [
        Reason(
            rule=finding.rule,
            label=finding.label,
            level=_level(finding.label, finding.severity),
            path=finding.path,
            start=finding.start,
            end=finding.end,
            excerpt=finding.excerpt,
        )
        for finding in assessment.findings
    ]
    opinion = assessment.opinion
    if opinion.is_flagged:
        span = assessment.spans[-1]
        found.append(
            Reason(
                rule=f"{JUDGE}.{opinion.kind}",
                label=opinion.kind,
                level=Level.HARMFUL if opinion.is_sure else Level.SUSPICIOUS,
                path=span.path,
                start=span.start,
                end=span.end,
                excerpt=span.excerpt,
            )
        )
    return found


def _level(label: str, severity: int) -> Level:
    if label not in ALARMING:
        return Level.NOTE
    return Level.HARMFUL if severity >= _SEVERE else Level.SUSPICIOUS


def _likeness(like: Likeness, name: str) -> Reason:
    """The same name at two servers is common; one that only looks like it, by a sign or a slip, hardly ever."""
    is_disguised = like.how == "slip" or (like.label == LOOKALIKE and not name.isascii())
    other = f"{like.server.partition(':')[2]}/{like.name}"
    return Reason(
        rule=f"names.{like.how}",
        label=like.label,
        level=Level.SUSPICIOUS if is_disguised else Level.NOTE,
        path="/name",
        excerpt=quoted(f"{name} looks like {other}".encode()),
    )


def _doubles(definitions: Sequence[Definition]) -> dict[tuple[str, str], Reason]:
    different = Counter((kind, name) for kind, name, _ in {(d.kind, d.name, d.fingerprint) for d in definitions})
    reason = Reason(
        rule=TWICE,
        label="ambiguous",
        level=Level.SUSPICIOUS,
        path="/name",
        excerpt="one listing shows two definitions under this name",
    )
    return {key: reason for key, count in different.items() if count > 1}


def _tools(one: Shown) -> list[tuple[str, Peer]]:
    found: list[tuple[str, Peer]] = []
    for definition in one.definitions:
        tree = _tree(definition) if definition.kind == TOOL else None
        if isinstance(tree, dict):
            peer = Peer(str(tree.get("name") or ""), str(tree.get("description") or ""))
            found.append((definition.fingerprint, peer))
    return found


def _tree(definition: Definition) -> Any:
    tree = msgspec.json.decode(definition.canonical)
    return tree if isinstance(tree, dict) or (isinstance(tree, str) and definition.kind == INSTRUCTIONS) else None
