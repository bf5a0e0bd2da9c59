"""One rule about our own events, strictly: a rule that could never fire is refused, and its tests are inside.

The file stays plain Sigma for other tools: what is ours stands under the custom key `watchkeeper`
(`playbook`, `group`, `response`, `tests.match`, `tests.clean`). Files and folders are read by `rules`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from sigma.conditions import ConditionIdentifier, ConditionSelector
from sigma.rule import SigmaRule

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import is_field
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.conditions.patterns import Unsupported
from watchkeeper.detect.conditions.reading import either, read_condition
from watchkeeper.detect.conditions.scope import fields_of, kinds_of
from watchkeeper.detect.model import Rule
from watchkeeper.detect.origin import is_own
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists, fill
from watchkeeper.detect.sigma.reading.single import NOT_A_RULE, POLICY, refuse_explosive, refuse_mixed, said_by
from watchkeeper.events import Event, Severity
from watchkeeper.events.kinds import KINDS

_DOMAINS = frozenset(kind.split(".")[0] for kind in KINDS)
_GROUPS = frozenset({"server", "target", "actor", "tenant"})


class _Tests(msgspec.Struct, forbid_unknown_fields=True):
    match: list[dict[str, Any]] = []
    clean: list[dict[str, Any]] = []


class _Ours(msgspec.Struct, forbid_unknown_fields=True):
    """The custom key `watchkeeper` of a rule."""

    playbook: str = ""
    group: tuple[str, ...] = ("server", "target")
    response: str = ""
    tests: _Tests = msgspec.field(default_factory=_Tests)


def read_own(document: Document, lists: Lists = NO_LISTS) -> Rule:
    """The rule of a document. Raises `Misconfigured`, naming the file."""
    try:
        refuse_doubled(document)
        refuse_mixed(document.content)
        refuse_explosive(document.content.get("detection") or {})
        sigma = SigmaRule.from_dict(document.content, policy=POLICY)
        fill(sigma.detection, lists)
        ours = msgspec.convert(sigma.custom_attributes.get("watchkeeper", {}), _Ours)
        return _rule(document.content, sigma, ours, document.source)
    except Misconfigured as error:
        raise Misconfigured(f"{document.place}: {error.reason}", hint=error.hint) from error
    except (*NOT_A_RULE, msgspec.ValidationError) as error:
        raise Misconfigured(f"{document.place}: {said_by(error)}", hint="see docs/concepts/detection.md") from error


def refuse_doubled(document: Document) -> None:
    """Of two selections of one name, the first would be silently gone. Raises `Misconfigured`."""
    if document.doubled:
        raise Misconfigured(f"the key {document.doubled[0]} stands twice", hint="give one of them another name")


def _rule(document: dict[str, Any], sigma: SigmaRule, ours: _Ours, source: str) -> Rule:
    domain = _domain(sigma)
    condition = either(read_condition(one.parse()) for one in sigma.detection.parsed_condition)
    _refuse_unused(sigma)
    _refuse_unknown_fields(condition)
    kinds = kinds_of(condition)
    _refuse_dead(kinds, domain)
    if sigma.id is None or sigma.level is None:
        raise Misconfigured("a rule needs an id (a UUID) and a level")
    if not ours.group or not set(ours.group) <= _GROUPS:
        raise Misconfigured(f"group may hold {', '.join(sorted(_GROUPS))}, not {', '.join(ours.group) or 'nothing'}")
    decides = [document["logsource"], document["detection"], list(ours.group)]
    return Rule(
        id=str(sigma.id),
        name=sigma.name or Path(source).stem,
        title=sigma.title,
        level=Severity[str(sigma.level).upper()],
        tags=tuple(str(tag) for tag in sigma.tags),
        falsepositives=tuple(sigma.falsepositives),
        response=ours.response.strip(),
        playbook=ours.playbook,
        group=ours.group,
        version=hashlib.sha256(msgspec.json.encode(decides, order="deterministic")).hexdigest()[:16],
        kinds=kinds,
        domain=domain,
        reads=fields_of(condition),
        condition=condition,
        holds=compile_condition(condition),
        match=_examples(ours.tests.match),
        clean=_examples(ours.tests.clean),
        source=source,
    )


def _domain(sigma: SigmaRule) -> str:
    log = sigma.logsource
    if log.product != "mcp" or log.service not in (None, "watchkeeper"):
        raise Unsupported(
            f"the log source {log.product}/{log.service} is not ours", hint="write product: mcp, service: watchkeeper"
        )
    if log.category and log.category not in _DOMAINS:
        raise Unsupported(f"there is no category {log.category}", hint=f"one of {', '.join(sorted(_DOMAINS))}")
    return log.category or ""


def _refuse_unused(sigma: SigmaRule) -> None:
    """A selection that no condition names was meant to matter (or is a `timeframe`, which would be ignored)."""
    used: set[str] = set()
    for condition in sigma.detection.parsed_condition:
        used |= _named(condition.parse(postprocess=False), sigma)
    unused = set(sigma.detection.detections) - used
    if unused:
        raise Unsupported(f"the condition does not use {', '.join(sorted(unused))}", hint="name it, or remove it")


def _refuse_unknown_fields(condition: Condition) -> None:
    unknown = sorted(name for name in fields_of(condition) - {"*"} if not is_field(name))
    if unknown:
        raise Unsupported(
            f"there is no field {unknown[0]}",
            hint="fields are the members of an event, or body.NAME; see the concept page",
        )


def _named(node: Any, sigma: SigmaRule) -> set[str]:
    if isinstance(node, ConditionIdentifier):
        return {node.identifier}
    if isinstance(node, ConditionSelector):
        return {found.identifier for found in node.resolve_referenced_detections(sigma.detection)}
    return set().union(*(_named(arg, sigma) for arg in node.args))


def _refuse_dead(kinds: frozenset[str] | None, domain: str) -> None:
    if kinds is None:
        return
    if not kinds:
        raise Unsupported("the rule can never match: it asks for two kinds of event at once")
    unknown = kinds - set(KINDS)
    if unknown:
        raise Unsupported(
            f"no event has the kind {', '.join(sorted(unknown))}", hint="docs/reference/events.md lists them"
        )
    if domain and not any(kind.startswith(f"{domain}.") for kind in kinds):
        raise Unsupported(f"the rule can never match: its category is {domain}, its kinds are not")
    if all(is_own(kind) for kind in kinds):
        raise Unsupported("the rule can never match: events of detection and response are not matched again")


def _examples(examples: list[dict[str, Any]]) -> tuple[Event, ...]:
    return tuple(msgspec.convert({"v": 1, "id": "example", "time": 0} | example, Event) for example in examples)
