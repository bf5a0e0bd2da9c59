"""Folders of any Sigma files as one rulebook. Tolerant: what cannot be loaded is listed with its reason, never silent.

A document is a rule (`detection`), a correlation, a filter, or an action of older Sigma's collections (`global`,
`reset`, `repeat`). References go over all files, by id or by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.detect.sigma.files.collections import flattened, is_correlation, is_filter
from watchkeeper.detect.sigma.files.documents import Document, documents_of
from watchkeeper.detect.sigma.linking import Names, apply, correlations_of, filters_of, silenced
from watchkeeper.detect.sigma.model import ReadRule, Refused, Rulebook
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists
from watchkeeper.detect.sigma.reading.single import read_rule
from watchkeeper.detect.sigma.refusals import refusal


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Every `*.yml` and `*.yaml` there, in order; a file that is named is taken whatever it is called."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(sorted(p for p in path.rglob("*") if p.suffix in (".yml", ".yaml") and p.is_file()))
        elif path.exists():
            found[path] = None
        else:
            raise Invalid(f"there are no rules at {path}", hint="name a folder of Sigma files, or a file")
    return list(found)


def load(paths: Iterable[Path], lists: Lists = NO_LISTS, *, told: Callable[[int], None] = lambda _: None) -> Rulebook:
    """What the files hold; `told` hears how many files are done."""
    documents: list[Document] = []
    refused: list[Refused] = []
    files = files_of(paths)
    for done, path in enumerate(files, 1):
        documents += _documents(path, refused)
        told(done)
    return _linked(documents, lists, refused, len(files))


def _linked(documents: list[Document], lists: Lists, refused: list[Refused], files: int) -> Rulebook:
    names = Names(document for document in documents if not is_filter(document))
    filters = filters_of(filter(is_filter, documents), names, lists, refused)
    alone = (document for document in documents if not is_filter(document) and not is_correlation(document))
    rules = apply(filters, _read(alone, lists, refused))
    correlations = correlations_of(filter(is_correlation, documents), names, [rule.heading for rule in rules], refused)
    silent = silenced(correlations)
    return Rulebook(
        rules=tuple(replace(one, alone=False) if one.heading.id in silent else one for one in rules),
        correlations=tuple(replace(one, alone=False) if one.heading.id in silent else one for one in correlations),
        filters=len(filters),
        refused=tuple(refused),
        files=files,
    )


def _documents(path: Path, refused: list[Refused]) -> Iterator[Document]:
    try:
        yield from flattened(documents_of(path))
    except Misconfigured as error:
        refused.append(Refused(source=str(path), reason=f"the file {error.reason}", hint=error.hint))


def _read(documents: Iterable[Document], lists: Lists, refused: list[Refused]) -> Iterator[ReadRule]:
    for document in documents:
        try:
            yield read_rule(document, lists)
        except Misconfigured as error:
            refused.append(refusal(document, error))
