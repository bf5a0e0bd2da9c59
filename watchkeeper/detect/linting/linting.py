"""Files of rules, looked through: every problem with its file, its line, its rule, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.linting import fields, memory, truth, words
from watchkeeper.detect.linting.model import Problem, error
from watchkeeper.detect.proving.model import Framework
from watchkeeper.detect.sigma.files.collections import flattened, is_correlation, is_filter
from watchkeeper.detect.sigma.files.documents import Document, documents_of
from watchkeeper.detect.sigma.linking import Names, correlations_of, filters_of
from watchkeeper.detect.sigma.loading import files_of
from watchkeeper.detect.sigma.model import ReadRule, Refused
from watchkeeper.detect.sigma.own import read_own
from watchkeeper.detect.sigma.reading.headings import heading_of, names_of
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists, Unresolved
from watchkeeper.detect.sigma.reading.single import read_rule
from watchkeeper.detect.sigma.reading.trials import read_trials
from watchkeeper.detect.sigma.rules import refuse_strange


class Looked(msgspec.Struct, frozen=True):
    """What came of it."""

    files: int
    documents: int
    problems: tuple[Problem, ...]
    """By file and line."""


def lint(
    paths: Iterable[Path],
    frameworks: Iterable[Framework],
    lists: Lists = NO_LISTS,
    *,
    told: Callable[[int], None] = lambda _: None,
    playbooks: Container[str] | None = None,
) -> Looked:
    """Every problem of the files; `told` hears how many are read. Raises `Invalid` where there is no such file.

    `playbooks` are the ones that rules may name; without it that is not looked at.
    """
    files = files_of(paths)
    documents: list[Document] = []
    problems: list[Problem] = []
    for done, path in enumerate(files, 1):
        try:
            documents += flattened(documents_of(path))
        except Misconfigured as fault:
            problems.append(_fault(Refused(source=str(path), reason=f"the file {fault.reason}", hint=fault.hint)))
        told(done)
    problems += _all(documents, tuple(frameworks), lists)
    if playbooks is not None:
        problems += _strange_playbooks(documents, playbooks)
    order = sorted(problems, key=lambda one: (one.source, one.line, one.weight, one.code, one.what))
    return Looked(len(files), len(documents), tuple(order))


def _all(documents: list[Document], frameworks: tuple[Framework, ...], lists: Lists) -> Iterator[Problem]:
    yield from _doubled(documents)
    read: list[ReadRule] = []
    for document in documents:
        yield from (one.of(document) for one in _said(document, frameworks))
        if not is_correlation(document) and not is_filter(document):
            rule, problems = _rule(document, lists)
            yield from (one.of(document) for one in problems)
            read += [rule] if rule else []
    yield from _together(documents, read, lists)


def _strange_playbooks(documents: list[Document], playbooks: Container[str]) -> Iterator[Problem]:
    for document in documents:
        named = heading_of(document, "").playbook
        if named and named not in playbooks:
            what = f"there is no playbook {named}, so nothing follows from its alerts"
            yield error("unknown-playbook", what, "correct the name, or name its folder with --playbooks").of(document)


def _doubled(documents: list[Document]) -> Iterator[Problem]:
    known: dict[str, Document] = {}
    for document in documents:
        said = document.content.get("id")
        if said is None:
            continue
        first = known.setdefault(str(said).casefold(), document)
        if first is not document:
            what = f"the id belongs to {first.source}:{first.line} already"
            yield error("duplicate-id", what, "give it a new UUID").of(document)


def _said(document: Document, frameworks: tuple[Framework, ...]) -> Iterator[Problem]:
    for key in document.doubled:
        yield error("duplicate-key", f"the key {key} stands twice; only the last counts", "give one another name")
    if not is_filter(document):
        yield from words.problems_of(
            document.content, frameworks, is_ours=_is_ours(document) or _speaks_to_us(document)
        )


def _is_ours(document: Document) -> bool:
    """Whether our own loading would read it: a rule about our events, a correlation that says something to us."""
    if is_correlation(document):
        return _speaks_to_us(document)
    source = document.content.get("logsource")
    if not isinstance(source, dict):
        return False
    return source.get("product") == "mcp" and source.get("service") in (None, "watchkeeper")


def _speaks_to_us(document: Document) -> bool:
    return "watchkeeper" in document.content


def _rule(document: Document, lists: Lists) -> tuple[ReadRule | None, list[Problem]]:
    try:
        rule = read_rule(document, lists)
    except Unresolved as fault:
        return None, [error("placeholder", fault.reason, fault.hint)]
    except Misconfigured as fault:
        return None, [error("not-loaded", fault.reason, fault.hint or "see docs/guides/sigma.md")]
    problems = list(truth.problems_of(rule.condition))
    if _is_ours(document):
        problems += _strict(document, lists)
    return rule, problems


def _strict(document: Document, lists: Lists) -> Iterator[Problem]:
    """What our own loading would refuse, and members of bodies that are not there."""
    try:
        rule = read_own(document, lists)
    except Misconfigured as fault:
        reason = fault.reason.removeprefix(f"{document.place}: ")
        yield error(
            "refused", f"as one of our own it is refused: {reason}", fault.hint or "see docs/concepts/detection.md"
        )
        return
    yield from fields.problems_of(rule.reads, rule.kinds, rule.domain)


def _together(documents: list[Document], read: list[ReadRule], lists: Lists) -> Iterator[Problem]:
    names = Names(document for document in documents if not is_filter(document))
    refused: list[Refused] = []
    filters_of(filter(is_filter, documents), names, lists, refused)
    correlations = correlations_of(filter(is_correlation, documents), names, [r.heading for r in read], refused)
    yield from map(_fault, refused)
    by_id = {names_of(document)[0]: document for document in documents if is_correlation(document)}
    for one in correlations:
        document = by_id[one.heading.id]
        problems = [*memory.problems_of(one), *(_strict_correlation(document, one) if _is_ours(document) else ())]
        yield from (problem.of(document) for problem in problems)


def _strict_correlation(document: Document, correlation: Correlation) -> Iterator[Problem]:
    try:
        refuse_strange(correlation)
        read_trials(document)
    except Misconfigured as fault:
        reason = fault.reason.removeprefix(f"{document.source}: ")
        yield error(
            "refused", f"as one of our own it is refused: {reason}", fault.hint or "see docs/concepts/correlation.md"
        )


def _fault(refused: Refused) -> Problem:
    problem = error("not-loaded", refused.reason, refused.hint or "see docs/guides/sigma.md")
    return msgspec.structs.replace(
        problem, source=refused.source, line=refused.line, id=refused.id, title=refused.title
    )
