"""Text of others into an event's body, as the rule of its class says, and beside it what was not kept. Pure.

`body["capture"]` is there only when something was left out: class of the body's member → `mode`, `kept` and `of` (bytes
of the text in the event, and of the text as it came), `masked` (how many findings were masked in it), `why` (the label
for which all of it was dropped). A member that is missing without an entry there had nothing to keep.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.gateway.capture.model import Keep
from watchkeeper.gateway.capture.settings import METADATA
from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.redaction import CUT, UNSEEN, redact

SAID = "capture"
"""The member that says what was not kept."""
_PLAIN = bytes(range(0x20, 0x7F))
_CUT_BYTES = len(CUT.encode())
Findings = tuple[Finding, ...]


def keep(body: dict[str, Any], member: str, data: bytes, findings: Findings, rule: Keep) -> str:
    """Put into `body[member]` what is kept of `data`, which has these findings; returns that text."""
    if findings:
        return _keep_noticed(body, member, data, findings, rule)
    if rule.mode == METADATA:
        return _left_out(body, member, rule, "", len(data))
    if len(data) <= rule.clean and not data.translate(None, _PLAIN):  # eight times as fast as `isprintable` of the text
        text = body[member] = data.decode("ascii")
        return text
    size = len(data)
    if size > rule.clean:
        head = data[: rule.clean - _CUT_BYTES]
        if not head.translate(None, _PLAIN):  # `redact` by a shorter way to the same result
            text = body[member] = head.decode("ascii") + CUT
            said = {"mode": rule.mode, "kept": rule.clean, "of": size}
            if SAID in body:
                body[SAID][member] = said
            else:
                body[SAID] = {member: said}
            return text
    text = body[member] = bounded(redact(data, (), rule.clean), rule.clean)
    if size > rule.clean or text.endswith(CUT):
        _left_out(body, member, rule, text, size)
    return text


def _keep_noticed(body: dict[str, Any], member: str, data: bytes, findings: Findings, rule: Keep) -> str:
    labels = {finding.label for finding in findings}
    dropped_for = sorted(labels & rule.drops)
    if rule.mode == METADATA or dropped_for:
        return _left_out(body, member, rule, "", len(data), why=", ".join(dropped_for))
    text = body[member] = bounded(redact(data, findings, rule.bytes, rule.masks), rule.bytes)
    masked = sum(finding.label in rule.masks for finding in findings)
    if masked or text == UNSEEN or text.endswith(CUT) or len(data) > rule.bytes:
        _left_out(body, member, rule, text, len(data), masked=masked)
    return text


def bounded(text: str, limit: int) -> str:
    """The text in at most so many bytes of UTF-8."""
    if len(text) * 4 <= limit:
        return text
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    return raw[: limit - _CUT_BYTES].decode("utf-8", "ignore") + CUT


def _left_out(
    body: dict[str, Any], member: str, rule: Keep, text: str, size: int, *, masked: int = 0, why: str = ""
) -> str:
    said: dict[str, Any] = {"mode": rule.mode, "kept": len(text.encode("utf-8", "replace")), "of": size}
    if masked:
        said["masked"] = masked
    if why:
        said["why"] = why
    body.setdefault(SAID, {})[member] = said
    return text
