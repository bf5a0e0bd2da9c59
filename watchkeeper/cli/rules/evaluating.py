"""`watchkeeper rules eval`: any Sigma rules over any JSON events."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.settings import data_folder
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.choosing import book_of
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.sigma.evaluation import Evaluator, Outcome, Together
from watchkeeper.detect.sigma.foreign.files import files_of, items_of
from watchkeeper.detect.sigma.model import Refused, Rulebook

_TOGETHER = 200
"""Lines written at once."""
_SHOWN = 10
"""Refusals and unparsed lines that are told one by one to people; programs get all refusals."""


@click.command("eval")
@click.option(
    "--rules", "rules", multiple=True, type=click.Path(path_type=Path),
    help="A Sigma file or folder; may be repeated. Default: ours. `foreign`: only ours about others' records.",
)  # fmt: skip
@click.option(
    "--events", "events", multiple=True, required=True, type=click.Path(path_type=Path),
    help="A file or folder of events (.json, .jsonl, .ndjson, .log, also .gz); may be repeated.",
)  # fmt: skip
@click.option(
    "--placeholders", type=click.Path(path_type=Path), default=None,
    help="A YAML file or folder with the values of %placeholders%.",
)  # fmt: skip
@click.option("--matched", is_flag=True, help="Only events in which something was found.")
@click.option("--strict", is_flag=True, help="End with 65 when a rule cannot be loaded or a line cannot be read.")
@options.data
@options.as_json
@options.errors_told
def command(
    rules: tuple[Path, ...], events: tuple[Path, ...], placeholders: Path | None, matched: bool, strict: bool,
    data: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run Sigma rules over JSON events and print the ids of the rules that match, event by event.

    Events may be flat, nested as Winlogbeat, ECS or evtx_dump write them, an array, one object a file, or cases
    {"id": …, "data": {"events": […]}}, of which each is told as one. Rules are tried on events of their log source; an
    event whose source cannot be told is tried on all that nothing contradicts.

    With --json each line is {"file", "line", "id", "rules", "titles", "levels"} of one event (or case, then with its
    id), also of those without a match; then one line for each correlation that was found over several events,
    {"correlation", "file", "line", "title", "level", "events", "found"}; and last {"summary": …}, with every rule that
    was not loaded and why.

    Exit code 65 when there is no rule, or no event could be read.
    """
    book = book_of(rules, placeholders, data_folder(data) / "cache")
    if not book.rules:
        _tell_refused(book.refused)
        raise Invalid("no rule could be loaded", hint="see above, or `watchkeeper rules lint`")
    run = _Run(book, as_json=as_json, matched_only=matched)
    files, others = files_of(events)
    for path in files:
        run.read(path)
    summary = run.end(len(files), others)
    if as_json:
        output.lines([{"summary": summary}])
    else:
        _tell(summary, book.refused, run.unparsed)
    if not summary["events"]:
        raise Invalid("no event could be read", hint="events are JSON: see `watchkeeper rules eval --help`")
    if strict and (book.refused or summary["unparsed"]):
        raise Invalid("something could not be read, and --strict was asked for")


class _Run:
    def __init__(self, book: Rulebook, *, as_json: bool, matched_only: bool) -> None:
        self._book = book
        self._evaluator = Evaluator(book.rules, book.correlations)
        self._as_json = as_json
        self._matched_only = matched_only
        self._shows_progress = sys.stderr.isatty()
        self._told = time.monotonic()
        self._rows: list[dict[str, Any]] = []
        self.unparsed: list[dict[str, Any]] = []
        self._unparsed = 0
        self._together = 0

    def read(self, path: Path) -> None:
        for item in items_of(path, self._complain):
            self._show(self._evaluator.look(item))
            if self._shows_progress and time.monotonic() - self._told > 0.5:
                self._told = time.monotonic()
                click.echo(f"\r{self._evaluator.counts.events:,} events", nl=False, err=True)

    def end(self, files: int, others: int) -> dict[str, Any]:
        self._flush()
        for one in self._evaluator.end():
            self._together += 1
            self._show_together(one)
        if self._shows_progress:
            click.echo("\r" + " " * 30 + "\r", nl=False, err=True)
        counts, book = self._evaluator.counts, self._book
        return {
            "rules": len(book.rules),
            "correlations": len(book.correlations),
            "filters": book.filters,
            "refused": [{"file": one.source, "line": one.line, "id": one.id, "title": one.title,
                         "reason": one.reason, "hint": one.hint} for one in book.refused],
            "files": files,
            "other_files": others,
            "events": counts.events,
            "cases": counts.cases,
            "matched": counts.matched,
            "matches": counts.matches,
            "correlated": self._together,
            "unparsed": self._unparsed,
            "unparsed_first": self.unparsed,
            "untimed": counts.untimed,
            "failed": counts.failed,
        }  # fmt: skip

    def _complain(self, path: Path, line: int, why: str) -> None:
        self._unparsed += 1
        if len(self.unparsed) < _SHOWN:
            self.unparsed.append({"file": str(path), "line": line, "reason": why})

    def _show(self, outcome: Outcome) -> None:
        item, headings = outcome.item, outcome.headings
        if self._matched_only and not headings:
            return
        if self._as_json:
            said: dict[str, Any] = {"file": item.file, "line": item.line}
            if item.case:
                said["id"] = item.case
            said |= {"rules": [one.id for one in headings], "titles": [one.title for one in headings],
                     "levels": [one.level.name.lower() for one in headings]}  # fmt: skip
            self._rows.append(said)
            if len(self._rows) == _TOGETHER:
                self._flush()
        elif headings:
            output.text(f"{item.file}:{item.line}" + (f"  {item.case}" if item.case else ""))
            for one in headings:
                output.text(f"    {one.id}  {one.level.name.lower():<13}  {one.title}")

    def _flush(self) -> None:
        output.lines(self._rows)
        self._rows.clear()

    def _show_together(self, one: Together) -> None:
        heading = one.heading
        if self._as_json:
            said = {"correlation": heading.id, "file": one.file, "line": one.line, "title": heading.title,
                    "level": heading.level.name.lower(), "found": one.found,
                    "events": [{"file": file, "line": line} for file, line in one.events]}  # fmt: skip
            output.lines([said])
        else:
            output.text(f"{one.file}:{one.line}\n    {heading.id}  {heading.level.name.lower():<13}  {heading.title}"
                        f" ({len(one.events)} events)")  # fmt: skip


def _tell(summary: dict[str, Any], refused: tuple[Refused, ...], unparsed: list[dict[str, Any]]) -> None:
    cases = f" in {summary['cases']:,} cases" if summary["cases"] else ""
    output.text(
        f"{summary['events']:,} events{cases} of {summary['files']} files, {summary['rules']:,} rules and "
        f"{summary['correlations']} correlations: {summary['matches']:,} matches in {summary['matched']:,} of them"
        + (f", {summary['correlated']} correlations found" if summary["correlated"] else ""),
        err=True,
    )
    if summary["unparsed"]:
        output.text(f"{summary['unparsed']} records could not be read:", err=True)
        for one in unparsed:
            output.text(f"    {one['file']}:{one['line']}  {one['reason']}", err=True)
    if summary["other_files"]:
        output.text(f"{summary['other_files']} files of other kinds were left out", err=True)
    if summary["failed"]:
        output.text(f"{summary['failed']} times a rule could not be judged on an event", err=True)
    _tell_refused(refused)


def _tell_refused(refused: tuple[Refused, ...]) -> None:
    if refused:
        output.text(f"{len(refused)} documents were not loaded:", err=True)
    for one in refused[:_SHOWN]:
        output.text(f"    {one.source}:{one.line}  {one.reason}", err=True)
    if len(refused) > _SHOWN:
        output.text(f"    … and {len(refused) - _SHOWN} more: `watchkeeper rules lint` tells all", err=True)
