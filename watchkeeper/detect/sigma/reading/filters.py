"""Sigma filters: `filter:` documents that narrow the rules they name, e.g. by an operator's own exceptions.

A filter applies to the rules that it lists (by id or name) or to `any`, and of these to those whose log source its own
contains. Its condition is joined by *and*: people write `not selection`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import astuple

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.model import And, Condition
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.model import LogSource, ReadRule
from watchkeeper.detect.sigma.reading.placeholders import Lists
from watchkeeper.detect.sigma.reading.single import NOT_A_RULE, condition_of, logsource_of, said_by, version_of


class Filter(msgspec.Struct, frozen=True):
    """One filter, read."""

    logsource: LogSource
    condition: Condition
    rules: frozenset[str] | None
    """Ids; `None` for any."""

    def applies(self, rule: str, source: LogSource) -> bool:
        """Whether it narrows the rule of this id and log source."""
        if self.rules is not None and rule not in self.rules:
            return False
        pairs = zip(astuple(self.logsource), astuple(source), strict=True)
        return all(mine in ("", its) for mine, its in pairs)


def read_filter(document: Document, resolve: Callable[[str], str], lists: Lists) -> Filter:
    """The filter of a document. Raises `Misconfigured`."""
    said = document.content.get("filter")
    if not isinstance(said, dict):
        raise Misconfigured("the filter is no mapping", hint="write rules, selections and a condition")
    try:
        detection = {key: value for key, value in said.items() if key != "rules"}
        return Filter(logsource_of(document.content), condition_of(detection, lists), _rules(said, resolve))
    except NOT_A_RULE as error:
        raise Misconfigured(said_by(error), hint="see the Sigma specification, filters") from error


def _rules(said: dict[str, Any], resolve: Callable[[str], str]) -> frozenset[str] | None:
    named = said.get("rules")
    if isinstance(named, str) and named.casefold() == "any":
        return None
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise Misconfigured("the filter names no rules", hint="write `rules: any`, or a list of ids or names")
    return frozenset(map(resolve, names))


def narrowed(rule: ReadRule, filters: Iterable[Filter]) -> ReadRule:
    """The rule with every filter that applies to it; what decides has changed then, and so its version."""
    conditions = tuple(one.condition for one in filters if one.applies(rule.heading.id, rule.logsource))
    if not conditions:
        return rule
    condition = And((rule.condition, *conditions))
    heading = dataclasses.replace(rule.heading, version=version_of(rule.heading.version, condition))
    return msgspec.structs.replace(rule, condition=condition, heading=heading)
