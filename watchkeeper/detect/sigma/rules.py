"""Folders of detections about our own events, strictly: rules, correlations and filters, of one or many documents.

The first flaw is an error with its file: a detection that somebody believes in and that never fires is worse than none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import is_field
from watchkeeper.detect.conditions.model import And
from watchkeeper.detect.conditions.patterns import Unsupported
from watchkeeper.detect.conditions.scope import fields_of, kinds_of
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.model import Rule
from watchkeeper.detect.sigma.files.collections import flattened, is_correlation, is_filter
from watchkeeper.detect.sigma.files.documents import Document, documents_in, documents_of
from watchkeeper.detect.sigma.linking import Names, correlations_of, filters_of, silenced
from watchkeeper.detect.sigma.model import LogSource, Refused
from watchkeeper.detect.sigma.own import read_own, refuse_doubled
from watchkeeper.detect.sigma.reading.filters import Filter
from watchkeeper.detect.sigma.reading.headings import heading_of
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists
from watchkeeper.detect.sigma.reading.single import version_of
from watchkeeper.detect.sigma.reading.trials import Trials, read_trials

FOREIGN = "foreign"
"""A folder of this name holds rules for records of other products, which `rules eval` runs and the stream does not."""


@dataclasses.dataclass(frozen=True)
class Detections:
    """What detection runs."""

    rules: tuple[Rule, ...]
    """By id; those with `alone` false only feed correlations."""
    correlations: tuple[Correlation, ...]
    """What another refers to stands before it."""
    trials: Mapping[str, Trials] = dataclasses.field(default_factory=dict)
    """The tests that correlations carry, by their id."""


def load_rule(path: Path) -> Rule:
    """The rule of one file. Raises `Misconfigured`."""
    return _single(documents_of(path), str(path))


def parse_rule(text: str, source: str) -> Rule:
    """The rule of a YAML text; `source` names it in errors. Raises `Misconfigured`."""
    return _single(documents_in(text, source), source)


def _single(documents: Iterable[Document], source: str) -> Rule:
    try:
        found = list(documents)
    except Misconfigured as error:
        raise Misconfigured(f"{source} {error.reason}", hint=error.hint) from error
    if len(found) != 1 or is_correlation(found[0]) or is_filter(found[0]):
        raise Unsupported(f"{source}: this is no single Sigma rule", hint="name a file that holds one")
    return read_own(found[0])


def load_rules(folders: Iterable[Path], lists: Lists = NO_LISTS) -> tuple[Rule, ...]:
    """The rules of the folders, by id. Raises `Misconfigured`, naming the file and the fault."""
    return load_detections(folders, lists).rules


def load_detections(folders: Iterable[Path], lists: Lists = NO_LISTS) -> Detections:
    """All of every `*.yml` and `*.yaml` of the folders, but for what lies in a folder `foreign` of them.

    Raises `Misconfigured`, naming the file and the fault.
    """
    documents = [document for folder in folders for document in _documents(folder)]
    for document in documents:
        _refuse_doubled(document)
    names = Names(document for document in documents if not is_filter(document))
    refused: list[Refused] = []
    filters = filters_of(filter(is_filter, documents), names, lists, refused)
    single = (one for one in documents if not is_filter(one) and not is_correlation(one))
    rules = [_narrowed(rule, filters) for rule in _unique(read_own(document, lists) for document in single)]
    combined = [one for one in documents if is_correlation(one)]
    correlations = correlations_of(combined, names, rules, refused)
    _raise_first(refused)
    trials = {heading_of(one, "").id: read_trials(one) for one in combined}
    for one in correlations:
        refuse_strange(one)
    silent = silenced(correlations)
    return Detections(
        rules=tuple(
            dataclasses.replace(rule, alone=rule.id not in silent) for rule in sorted(rules, key=lambda rule: rule.id)
        ),
        correlations=tuple(msgspec.structs.replace(one, alone=one.heading.id not in silent) for one in correlations),
        trials=trials,
    )


def _documents(folder: Path) -> Iterator[Document]:
    if not folder.exists():
        raise Misconfigured(f"there is no folder of rules at {folder}", hint="set detect.rules to one, or to nothing")
    every = folder.rglob("*") if folder.is_dir() else (folder,)
    files = (p for p in every if p.suffix in (".yml", ".yaml") and FOREIGN not in p.relative_to(folder).parts[:-1])
    for path in sorted(files):
        try:
            yield from flattened(documents_of(path))
        except Misconfigured as error:
            raise Misconfigured(f"{path} {error.reason}", hint=error.hint) from error


def _refuse_doubled(document: Document) -> None:
    try:
        refuse_doubled(document)
    except Misconfigured as error:
        raise Misconfigured(f"{document.place}: {error.reason}", hint=error.hint) from error


def _unique(rules: Iterable[Rule]) -> Iterator[Rule]:
    known: dict[str, str] = {}
    for rule in rules:
        if rule.id in known:
            raise Misconfigured(f"{rule.source}: the id {rule.id} belongs to {known[rule.id]} already")
        known[rule.id] = rule.source
        yield rule


def _narrowed(rule: Rule, filters: list[Filter]) -> Rule:
    source = LogSource("mcp", rule.domain, "watchkeeper")
    more = tuple(one.condition for one in filters if one.applies(rule.id, source))
    if not more:
        return rule
    condition = And((rule.condition, *more))
    if unknown := sorted(name for name in fields_of(condition) - {"*"} if not is_field(name)):
        raise Misconfigured(f"{rule.source}: a filter reads {unknown[0]}, which no event has", hint="mend the filter")
    return dataclasses.replace(
        rule,
        condition=condition,
        holds=compile_condition(condition),
        reads=fields_of(condition),
        kinds=kinds_of(condition),
        version=version_of(rule.version, condition),
    )


def _raise_first(refused: list[Refused]) -> None:
    for one in refused:
        place = f"{one.source}:{one.line}" if one.line > 1 else one.source
        raise Misconfigured(f"{place}: {one.reason}", hint=one.hint)


def refuse_strange(correlation: Correlation) -> None:
    """What no event of ours has cannot be counted or grouped by. Raises `Misconfigured`."""
    aliases = correlation.aliases
    named = [*correlation.group_by, *correlation.fields, *(f for one in aliases.values() for f in one.values())]
    for name in named:
        if name not in aliases and not is_field(name):
            raise Misconfigured(
                f"{correlation.heading.source}: there is no field {name}",
                hint="fields are the members of an event, or body.NAME; see the concept page",
            )
