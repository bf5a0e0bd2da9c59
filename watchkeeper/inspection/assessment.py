"""Both layers as one opinion: what rules found and what the judge makes of the whole. Noticing, never deciding.

`watchkeeper scan` shows it as it is; the gateway and the registry take its findings. A definition is flagged when it
gives orders behind the user's back, or when its purpose is an attack; that it merely can do much is a label
(`capabilities`), no alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from watchkeeper.inspection.excerpts import shown
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.inspection import Inspection
from watchkeeper.inspection.judge import Judge, Opinion, Peer
from watchkeeper.inspection.judge.reading import string_at
from watchkeeper.inspection.model import HIDDEN_INSTRUCTION, SUSPECTED, UNSHOWN, Finding, Surface

ALARMING = frozenset({"hidden_instruction", "attack", "exfiltration", "invisible_text", "inspection_failed"})
"""Labels that flag a definition by themselves."""
FAILED = frozenset({"inspection_failed"})
LEAVING = frozenset(
    {"secret", "exfiltration", "inspection_failed", "attack", "concealed_secret", "sensitive_leaving", "iban"}
    | {"payment_card", "national_id", "passport", "destination_blocked", "destination_internal"}
)
"""Labels and classes that flag on the way to a server: what the pack `egress` denies."""
JUDGE = "judge"
WITHHELD = "[withheld: it holds a secret]"
_SURE = 0.99

Inspect = Callable[[Surface, bytes], tuple[Finding, ...]]


class Span(msgspec.Struct, frozen=True):
    """Where something told, and what told it."""

    path: str
    start: int
    end: int
    rule: str
    """Id of a rule, or `judge.<class>`."""
    excerpt: str = ""


class Assessment(msgspec.Struct, frozen=True):
    """What is thought of one definition or text."""

    flagged: bool
    score: float
    """0 to 1, comparable within one kind."""
    classes: tuple[str, ...]
    spans: tuple[Span, ...]
    findings: tuple[Finding, ...]
    opinion: Opinion


class Assessor:
    """Safe for many threads."""

    def __init__(self, inspection: Inspection, judge: Judge) -> None:
        self._inspection = inspection
        self._judge = judge

    def of_definition(self, tree: dict[str, Any], peers: Sequence[Peer] = ()) -> Assessment:
        """Of a definition as a server lists it."""
        findings = self._inspection.inspect(Surface.DEFINITION, msgspec.json.encode(tree))
        opinion = self._judge.of_definition(tree, peers, {finding.label for finding in findings})
        return _assessment(findings, opinion, ALARMING, self._quoted(string_at(tree, opinion.path), opinion))

    def of_instructions(self, text: str, peers: Sequence[Peer] = ()) -> Assessment:
        """Of what a server tells a model about itself, which is read like a description."""
        findings = self._inspection.inspect(Surface.INSTRUCTIONS, msgspec.json.encode(text))
        opinion = self._judge.of_definition({"description": text}, peers, {finding.label for finding in findings})
        excerpt = self._quoted(text, opinion)
        return _assessment(findings, msgspec.structs.replace(opinion, path=""), ALARMING, excerpt)

    def of_text(self, text: str, surface: Surface = Surface.RESULT) -> Assessment:
        """Of a message's text that a model will read, or wrote (`Surface.ARGUMENTS`): what the gateway would stop is
        flagged.
        """
        return self._of_texts(text, (surface,), LEAVING if surface is Surface.ARGUMENTS else ALARMING)

    def of_texts(self, text: str, surfaces: Sequence[Surface]) -> Assessment:
        """Of a text by itself. What rules found in it weighs and does not flag, for texts quote what they warn of."""
        return self._of_texts(text, surfaces, FAILED)

    def _of_texts(self, text: str, surfaces: Sequence[Surface], alarming: frozenset[str]) -> Assessment:
        data = msgspec.json.encode(text)
        found = dict.fromkeys(f for surface in surfaces for f in self._inspection.inspect(surface, data))
        findings = tuple(found)
        opinion = self._judge.of_text(text, {finding.label for finding in findings})
        loud = LEAVING if surfaces == (Surface.ARGUMENTS,) else FAILED
        return _assessment(findings, opinion, loud, self._quoted(text, opinion))

    def _quoted(self, text: str, opinion: Opinion) -> str:
        """The passage that told, without the secrets in it: it is shown and stored."""
        if not opinion.is_flagged:
            return ""
        low, high = _bytes_of(text, opinion)
        found = self._inspection.inspect(Surface.RESULT, msgspec.json.encode(text))
        return quoted(text.encode("utf-8", "replace"), low, high, found)


def judged_findings(
    judge: Judge, inspect: Inspect, definition: Definition, peers: Sequence[Peer], noticed: Sequence[Finding]
) -> tuple[Finding, ...]:
    """What the judge has to say of a definition: `suspected_poisoning`, or `hidden_instruction` when it is sure.

    `noticed` is what the rules said, which weighs; `inspect` finds the secrets that must not be quoted.
    A tool whose purpose is dangerous is suspected at most: what it says of itself gives nobody orders.
    """
    tree = msgspec.json.decode(definition.canonical)
    is_text = isinstance(tree, str)
    if not is_text and not isinstance(tree, dict):
        return ()
    labels = {finding.label for finding in noticed}
    opinion = judge.of_definition({"description": tree} if is_text else tree, peers, labels)
    if not opinion.is_flagged:
        return ()
    text = tree if is_text else string_at(tree, opinion.path)
    start, end = _bytes_of(text, opinion)
    excerpt = quoted(text.encode("utf-8", "replace"), start, end, inspect(Surface.RESULT, msgspec.json.encode(text)))
    is_sure = opinion.is_sure and opinion.kind != "dangerous_capability"
    label, severity = (HIDDEN_INSTRUCTION, 4) if is_sure else (SUSPECTED, 3)
    path = "" if is_text else opinion.path
    return (Finding(JUDGE, f"{JUDGE}.{opinion.kind}", label, severity, path, start, end, excerpt),)


def _bytes_of(text: str, opinion: Opinion) -> tuple[int, int]:
    start, end = (opinion.start, opinion.end) if opinion.end else (0, len(text))
    low, high = (len(text[:at].encode("utf-8", "replace")) for at in (start, end))
    return low, high


def quoted(data: bytes, start: int, end: int, findings: Sequence[Finding]) -> str:
    """An excerpt of a string, safe to show; `findings` are those of the string itself, as a JSON text."""
    hidden = [finding for finding in findings if finding.label in UNSHOWN]
    if any(not finding.end for finding in hidden):
        return WITHHELD
    for finding in hidden:
        data = data[: finding.start] + b"*" * (finding.end - finding.start) + data[finding.end :]
    return shown(data[start:end].strip())


def _assessment(findings: tuple[Finding, ...], opinion: Opinion, alarming: frozenset[str], excerpt: str) -> Assessment:
    loud = [finding for finding in findings if not alarming.isdisjoint({finding.label, *finding.classes})]
    classes = dict.fromkeys(finding.label for finding in findings)
    spans = [Span(f.path, f.start, f.end, f.rule, f.excerpt) for f in findings]
    if opinion.is_flagged:
        classes[opinion.kind] = None
        spans.append(Span(opinion.path, opinion.start, opinion.end, f"{JUDGE}.{opinion.kind}", excerpt))
    score = max([opinion.score, *(min(_SURE, 0.5 + 0.1 * finding.severity) for finding in loud)])
    return Assessment(bool(loud) or opinion.is_flagged, score, tuple(classes), tuple(spans), findings, opinion)
