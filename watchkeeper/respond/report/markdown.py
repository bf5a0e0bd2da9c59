"""A report as Markdown (GitHub's tables). Whatever a text holds, it stays text: no markup of it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

from watchkeeper.core.text import visible
from watchkeeper.respond.report.model import Report, Section

_MARKUP = re.compile(
    r"([\\`*_{}\[\]<>#!|~&$@]"  # what is markup wherever it stands
    r"|:(?=//)|(?<!\d):(?=[\w+-]+:)|(?<=www)\.)",  # an address, a picture by its name, an address without a scheme
    re.IGNORECASE,
)
_BEGINNING = re.compile(r"^\d+(?=[.)])|^(?=[-+=])")
"""A list or a heading, where a text begins a line."""


def markdown(report: Report) -> str:
    """The whole document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterable[str]:
    yield f"# {_inert(report.number)}: {_inert(report.title)}"
    yield ""
    yield f"Report of {_inert(report.made_at)} UTC, asked for by {_inert(report.by)}."
    for warning in report.warnings:
        yield ""
        yield f"> **{_inert(warning)}**"
    for section in report.sections:
        yield ""
        yield f"## {_inert(section.title)}"
        yield from _section(section)


def _section(section: Section) -> Iterable[str]:
    if section.words:
        yield ""
        yield _inert(section.words)
    if section.facts:
        yield ""
        yield from _table(("", ""), section.facts)
    if section.head:
        yield ""
        if section.rows:
            yield from _table(section.head, section.rows)
        else:
            yield _inert(section.empty)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    head = list(head)
    yield f"| {' | '.join(map(_cell, head))} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return text if text == "-" else _inert(text)


def _inert(text: str) -> str:
    """What Markdown or HTML would read is escaped where it would, the unseen ones are shown; one line."""
    line = visible(text.replace("\r\n", "\n").replace("\n", " ¶ ")).strip()
    return _BEGINNING.sub(r"\g<0>\\", _MARKUP.sub(r"\\\1", line))
