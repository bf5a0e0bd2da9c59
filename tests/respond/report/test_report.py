"""The report after an incident, read by others: a parser of Markdown, and the engine of Chromium's PDF pages."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.respond.exports.test_formats import AT, HOSTILE, export
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.core.text import visible
from watchkeeper.respond.cases.model import Change, Note, NoteKind, Task
from watchkeeper.respond.exports import Export
from watchkeeper.respond.model import Alert, IncidentState, Run, StepResult
from watchkeeper.respond.report import Report, contents_of, markdown
from watchkeeper.respond.report.model import Section
from watchkeeper.respond.report.pdf import pdf

NOW = AT + 3600 * SECOND
READER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


def report(made: Export | None = None) -> Report:
    return contents_of(made or export(), NOW, "operator:ada")


def with_file(made: Export, **members: object) -> Export:
    return msgspec.structs.replace(made, file=msgspec.structs.replace(made.file, **members))


def facts(found: Report, title: str) -> dict[str, str]:
    return dict(next(section.facts for section in found.sections if section.title == title))


def rows(found: Report, title: str) -> tuple[tuple[str, ...], ...]:
    return next(section.rows for section in found.sections if section.title.startswith(title))


def cells(text: str) -> list[str]:
    """What a reader of Markdown sees in tables, one string a cell; nothing but text may be in them."""
    found, tokens = [], READER.parse(text)
    for token in tokens:
        assert token.type != "html_block"
        for child in token.children or ():
            assert child.type in ("text", "strong_open", "strong_close"), child
    for at, token in enumerate(tokens):
        if token.type in ("td_open", "th_open"):
            found.append("".join(child.content for child in tokens[at + 1].children or ()))
    return found


def words(document: bytes) -> str:
    read = pypdfium2.PdfDocument(io.BytesIO(document))
    try:
        return "\n".join(read[at].get_textpage().get_text_range() for at in range(len(read)))
    finally:
        read.close()


@pytest.mark.behaviour("cases.report")
def test_times_and_what_is_owed_are_told_from_raw_times_and_what_is_missing_says_so() -> None:
    found = report(export(acknowledged_at=AT + 65 * SECOND))
    times = facts(found, "Times")
    assert times["time to detect: first malicious event to first alert"] == "5.00 s"
    assert times["time to contain: first alert to verified containment"] == "90.00 s"
    assert times["dwell: first malicious event to verified containment"] == "95.00 s"
    assert times["safe operation"] == times["time to recover: first alert to safe operation"] == "not known"
    assert times["first malicious event"] == "2026-09-21 14:13:20"
    assert "1 of the calls" in next(section.words for section in found.sections if section.title == "Summary")
    assert "The incident is not closed: this report may change." in found.warnings
    assert facts(found, "What it reached")["servers"] == "files"


@pytest.mark.behaviour("cases.report")
def test_what_is_not_proven_stands_at_the_top_and_a_skipped_step_is_no_failure() -> None:
    steps = (
        StepResult(
            "hold", "hold_tool", "completed", AT, 12_000, "held", contains="hold_tool read files", verified=True
        ),
        StepResult("block", "block_server", "failed", AT, 0, "no gateway answers", contains="block_server files"),
        StepResult("end", "kill_session", "skipped", AT, contains="kill_session s"),
    )
    run = Run("run-1", "i", "rug_pull", 2, "sha256:ab", "finished", "failure", AT, AT + SECOND, steps)
    found = report(with_file(export(state=IncidentState.PARTLY_CONTAINED), runs=(run,)))
    assert "Not proven to be contained: block_server files." in found.warnings
    assert [row[4] for row in rows(found, "Playbook rug_pull")] == ["proven", "-", "-"]
    assert facts(found, "Times")["taken by a person or a playbook"] == "2026-09-21 14:13:20"


@pytest.mark.behaviour("cases.report")
def test_lessons_stand_with_what_follows_from_them_and_what_is_late_says_so() -> None:
    lesson = Note("n1", "i", AT, "operator:ada", "pin every server", NoteKind.LESSON)
    other = Note("n2", "i", AT, "operator:ada", "ask sooner", NoteKind.LESSON)
    late = Task("t1", "i", "pin them", "operator:ada", AT, "operator:eve", AT + SECOND, lesson="n1")
    found = report(with_file(export(), notes=(lesson, other), tasks=(late,)))
    assert rows(found, "Lessons") == (
        ("pin every server", "pin them", "operator:eve", "2026-09-21 14:13:21", "OVERDUE"),
        ("ask sooner", "nothing follows yet", "", "", ""),
    )


NASTY = st.text(max_size=60) | st.sampled_from(
    [
        HOSTILE,
        "| a | b |",
        "[x](javascript:1)",
        "<b>",
        "](",
        "~~x~~",
        "# x",
        "\\",
        "`x`",
        "**",
        "a\r\nb",
        "&lt;",
        "1. x",
        "- x",
        "12) x",
        "===",
        "  + x",
        "see http://a.example/ and :tada: www.a.example",
    ]
)


@pytest.mark.behaviour("cases.report-hostile")
@settings(max_examples=60, deadline=None)
@given(NASTY, NASTY, NASTY)
def test_whatever_a_text_holds_it_stays_text_in_its_cell(title: str, who: str, note: str) -> None:
    made = export(title=title)
    alert = Alert(id="a", time=AT, rule="r", title=title, principal=who, server="files", target=note)
    notes = (Note("n", "i", AT, who or "-", note or "-"),)
    found = report(with_file(made, alerts=(alert,), notes=notes))
    wanted = sum(
        (2 + 2 * len(section.facts)) * bool(section.facts)
        + len(section.head) * (1 + len(section.rows)) * bool(section.rows)
        for section in found.sections
    )
    assert len(cells(markdown(found))) == wanted
    assert pdf(found).startswith(b"%PDF-")


@pytest.mark.behaviour("cases.report-hostile")
@settings(max_examples=60, deadline=None)
@given(NASTY)
def test_a_text_that_would_be_markup_is_read_back_as_it_was_written(title: str) -> None:
    told = markdown(msgspec.structs.replace(report(), sections=(Section("t", words=title),)))
    inline = [token for token in READER.parse(told) if token.type == "inline"][-1]
    shown = visible(title.replace("\r\n", "\n").replace("\n", " ¶ ")).strip() or "t"
    assert "".join(child.content for child in inline.children or ()) == shown
    assert all(child.type == "text" for child in inline.children or ())


@pytest.mark.behaviour("cases.report-readable")
def test_a_report_reads_well_where_nobody_renders_it() -> None:
    history = (Change(AT, "operator:ada", "severity", "4", "2", "a test server"),)
    made = markdown(report(with_file(export(title="A server's answer (2 of 3)"), history=history)))
    assert "# INC-2026-0001: A server's answer (2 of 3)" in made
    assert "| 2026-09-21 14:13:20 | operator:ada | severity | high | low | a test server |" in made


@pytest.mark.behaviour("cases.report-hostile")
def test_a_pdf_reads_as_it_was_written_and_shows_what_its_typeface_lacks() -> None:
    note = Note("n", "i", AT, "operator:ada", f"{HOSTILE} 東京 é")
    found = report(with_file(export(title="A secret left"), notes=(note,)))
    read = words(pdf(found))
    flat = "".join(read.split())
    for part in ("INC-2026-0001", "A secret left", "90.00 s", "This report may change".lower()):
        assert "".join(part.split()) in flat or part in read.lower()
    assert "[U+6771][U+4EAC]é" in flat
    assert "<script>" in flat
    assert "\u202e" not in read
    assert "page 1" in read


@pytest.mark.behaviour("cases.report-readable")
def test_words_of_a_pdf_are_not_broken_in_narrow_columns() -> None:
    history = (Change(AT, "operator:root", "acknowledged", "", "operator:root", ""),)
    alert = Alert(
        id="a", time=AT, rule="r", title="t", principal="agent:demo-agent", server="training", target="send_message"
    )
    read = words(pdf(report(with_file(export(), history=history, alerts=(alert,)))))
    for word in ("acknowledged", "agent:demo-agent", "training/send_message"):
        assert word in read


def test_a_long_incident_goes_over_many_pages_and_no_row_is_lost() -> None:
    notes = tuple(
        Note(f"n{at}", "i", AT + at, "operator:ada", f"note {at:04} " + "x" * (9000 * (at == 7))) for at in range(300)
    )
    read = "".join(words(pdf(report(with_file(export(), notes=notes)))).split())
    assert all(f"note{at:04}" in read for at in range(300))
    assert "(9010characters)" in read  # what is cut says so


def test_a_font_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(b"no font")
    with pytest.raises(Invalid, match="no TrueType font"):
        pdf(report(), path)
    with pytest.raises(Invalid):
        pdf(report(), tmp_path / "missing.ttf")
