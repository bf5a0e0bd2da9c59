"""Documents that refer to others, put together: filters onto rules, correlations onto what they count.

A reference is an id, a `name`, or (last) the name of a file. What refers to nothing, to several, or in a circle to
itself is refused, and so is what refers to something refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.model import ReadRule, Refused
from watchkeeper.detect.sigma.reading.correlations import read_correlation
from watchkeeper.detect.sigma.reading.filters import Filter, narrowed, read_filter
from watchkeeper.detect.sigma.reading.headings import names_of
from watchkeeper.detect.sigma.reading.placeholders import Lists
from watchkeeper.detect.sigma.reading.single import version_of
from watchkeeper.detect.sigma.refusals import refusal


class Names:
    """From what documents call one another to ids."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._ids: dict[str, dict[str, None]] = {}
        self._files: dict[str, dict[str, None]] = {}
        for document in documents:
            *words, file = names_of(document)
            first = (words or [file])[0]
            for word in words or [file]:
                self._ids.setdefault(word, {})[first] = None
            self._files.setdefault(file, {})[first] = None

    def resolve(self, word: str) -> str:
        """The id that is meant. Raises `Misconfigured`."""
        word = word.strip()
        ids = list(self._ids.get(word) or self._ids.get(word.lower()) or self._files.get(word) or {})
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise Misconfigured(f"it refers to {word[:80]}, which {len(ids)} rules are called", hint="refer by id")
        raise Misconfigured(f"it refers to {word[:80]}, which is not here", hint="load its file too, or mend the name")


def filters_of(documents: Iterable[Document], names: Names, lists: Lists, refused: list[Refused]) -> list[Filter]:
    """Every filter that can be read."""
    found = []
    for document in documents:
        try:
            found.append(read_filter(document, names.resolve, lists))
        except Misconfigured as error:
            refused.append(refusal(document, error))
    return found


def apply(filters: list[Filter], rules: Iterable[ReadRule]) -> list[ReadRule]:
    """The rules, narrowed."""
    return [narrowed(rule, filters) for rule in rules]


def correlations_of(
    documents: Iterable[Document], names: Names, rules: Iterable[Heading], refused: list[Refused]
) -> list[Correlation]:
    """Every correlation that can be read, and whose references can, what is referred to first."""
    versions = {rule.id: rule.version for rule in rules}
    waiting: dict[str, tuple[Document, Correlation]] = {}
    for document in documents:
        try:
            read = read_correlation(document, names.resolve)
            if read.heading.id in waiting or read.heading.id in versions:
                raise Misconfigured(f"the id {read.heading.id} belongs to another already", hint="give it its own")
            waiting[read.heading.id] = (document, read)
        except Misconfigured as error:
            refused.append(refusal(document, error))
    found: list[Correlation] = []
    while ready := [id for id, (_, one) in waiting.items() if all(rule in versions for rule in referred(one))]:
        for id in ready:
            found.append(_versioned(waiting.pop(id)[1], versions))
            versions[id] = found[-1].heading.version
    for document, one in waiting.values():
        lost = next(rule for rule in referred(one) if rule not in versions)
        refused.append(refusal(document, _lost(lost, in_circle=lost in waiting)))
    return found


def referred(correlation: Correlation) -> tuple[str, ...]:
    """Every id that it names."""
    return tuple(dict.fromkeys((*correlation.rules, *correlation.missing)))


def silenced(correlations: Iterable[Correlation]) -> frozenset[str]:
    """The ids that raise nothing by themselves: some correlation asks for them, and none says `generate`."""
    asked = [(rule, one.generates) for one in correlations for rule in referred(one)]
    return frozenset(rule for rule, _ in asked) - {rule for rule, generates in asked if generates}


def _lost(rule: str, *, in_circle: bool) -> Misconfigured:
    if in_circle:
        return Misconfigured(f"it refers to {rule}, which refers back or was not loaded", hint="break the circle")
    return Misconfigured(f"it refers to {rule}, which was not loaded", hint="mend that one first")


def _versioned(correlation: Correlation, versions: Mapping[str, str]) -> Correlation:
    bare = dataclasses.replace(correlation.heading, version="")
    decides = [msgspec.to_builtins(msgspec.structs.replace(correlation, heading=bare)) | {"heading": None}]
    decides += [versions[rule] for rule in referred(correlation)]
    heading = dataclasses.replace(correlation.heading, version=version_of(*decides))
    return msgspec.structs.replace(correlation, heading=heading)
