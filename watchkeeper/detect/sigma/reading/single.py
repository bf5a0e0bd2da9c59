"""One document of a single rule: its log source, and its condition as our tree. Tolerant of all that decides nothing.

pySigma resolves selections and modifiers. It does so by writing each selection out wherever a condition names it, so
what that may become is bounded before (`refuse_explosive`).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
import re2
from sigma.exceptions import SigmaError
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RE2RegexEngine
from sigma.rule import SigmaDetections

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.conditions.patterns import Unsupported
from watchkeeper.detect.conditions.reading import either, read_condition
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.model import LogSource, ReadRule
from watchkeeper.detect.sigma.reading.headings import heading_of
from watchkeeper.detect.sigma.reading.placeholders import Lists, fill

NOT_A_RULE = (
    SigmaError,
    # what pySigma raises beside its own errors, for values of a wrong kind
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class _Ours(RE2RegexEngine):
    """pySigma compiles every expression to see whether it can be, and lets RE2 write to standard error. An expression
    that cannot be is refused later, quietly, with more words (`conditions.patterns`)."""

    def compile(self, pattern: str, flags: int = 0) -> Any:
        options = re2.Options()
        options.log_errors = False
        try:
            return re2.compile(pattern, options)
        except re2.error:
            return None


POLICY = SigmaPolicy(regex_engine=_Ours())

_LONGEST = 20_000
"""Characters of a condition."""
_MOST = 1_000_000
"""Values of all selections, times the words of all conditions."""
_OLD = re.compile(r"\|\s*(count|min|max|avg|sum|near)\b", re.IGNORECASE)  # short, and nothing in it can be made to hang


def read_rule(document: Document, lists: Lists) -> ReadRule:
    """The rule of a document. Raises `Misconfigured`."""
    refuse_mixed(document.content)
    try:
        logsource = logsource_of(document.content)
        condition = condition_of(document.content.get("detection"), lists)
    except NOT_A_RULE as error:
        raise Misconfigured(said_by(error), hint="see the Sigma specification") from error
    version = version_of(logsource, condition)
    return ReadRule(heading=heading_of(document, version), logsource=logsource, condition=condition)


def logsource_of(content: dict[str, Any]) -> LogSource:
    """What it says of its log source, lower case. Raises `Misconfigured`."""
    said = content.get("logsource")
    if not isinstance(said, dict):
        raise Misconfigured("there is no logsource", hint="name product, category or service")
    words = {name: said.get(name) for name in ("product", "category", "service")}
    for name, word in words.items():
        if word is not None and not isinstance(word, str):
            raise Misconfigured(f"the {name} of the log source is {type(word).__name__}", hint="write a word")
    source = LogSource(**{name: (word or "").strip().lower() for name, word in words.items()})
    if source == LogSource():
        raise Misconfigured("the log source is empty", hint="name product, category or service")
    return source


def condition_of(detection: Any, lists: Lists) -> Condition:
    """The tree of a `detection` (or `filter`). Raises `Misconfigured`, and what pySigma raises."""
    if not isinstance(detection, dict):
        raise Misconfigured("there is no detection", hint="a rule has selections and a condition")
    refuse_explosive(detection)
    detections = SigmaDetections.from_dict(detection, policy=POLICY)
    fill(detections, lists)
    return either(read_condition(one.parse()) for one in detections.parsed_condition)


def version_of(*decides: Any) -> str:
    """The hash of what decides."""
    return hashlib.sha256(msgspec.msgpack.encode(decides)).hexdigest()[:16]


def refuse_mixed(content: dict[str, Any]) -> None:
    """Raises `Misconfigured` for a document that is two things at once."""
    if other := next((key for key in ("correlation", "filter") if key in content), None):
        raise Misconfigured(f"it has both detection and {other}", hint="put `---` between two documents")


def refuse_explosive(detection: dict[str, Any]) -> None:
    """Raises `Misconfigured` for what pySigma would make too much of."""
    said = detection.get("condition")
    conditions = [one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str)]
    if not conditions or (isinstance(said, list) and len(conditions) < len(said)):
        raise Misconfigured("the condition is no text", hint="write `condition: selection and not filter`")
    text = " ".join(conditions)
    if _OLD.search(text):
        raise Unsupported(
            "the condition counts with a pipe, which Sigma 2 has no more",
            hint="write a correlation of type event_count or value_count",
        )
    values = sum(_size(value) for name, value in detection.items() if name != "condition")
    if len(text) > _LONGEST or values * (len(text.split()) + 1) > _MOST:
        raise Unsupported("the condition becomes too large", hint="name each selection once, or split the rule")


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def said_by(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).split("\n", 1)[0][:500]
    return text if isinstance(error, (SigmaError, ValueError)) and text else f"{type(error).__name__}: {text}"
