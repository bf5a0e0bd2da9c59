"""A report as PDF, set by ReportLab (BSD), an extra: `watchkeeper[report]`.

Its built-in typeface knows the letters of Western Europe. What a typeface does not know is shown by its code point and
never dropped; a TrueType file given as `font` brings more letters.
"""

from __future__ import annotations

import io
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.core.text import visible
from watchkeeper.respond.report.model import Report, Section

_INK, _PALE, _LINE, _ALARM = "#1b2733", "#eef2f6", "#c4ced8", "#a11d1d"
_BRACKETS = str.maketrans("⟨⟩", "[]")
_LONGEST = 4_000
"""Characters of one cell: a longer one would not fit on a page, and says that it was cut."""


def require() -> None:
    """Raises `Unavailable` where ReportLab is not installed."""
    if find_spec("reportlab") is None:
        hint = "install the extra `report`, or take it as Markdown"
        raise Unavailable("a PDF needs ReportLab, which is not installed", hint=hint)


def pdf(report: Report, font: Path | None = None) -> bytes:
    """The document. Raises `Unavailable` where ReportLab is not installed, `Invalid` for a font that is none."""
    require()
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415 — an extra
    from reportlab.platypus import SimpleDocTemplate  # noqa: PLC0415 — an extra

    face = _Face(font)
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=48,
        rightMargin=48,
        topMargin=56,
        bottomMargin=56,
        title=face.plain(f"{report.number}: {report.title}"),
        author=face.plain(report.by),
        subject="Post-incident report",
        creator="Watchkeeper",
        lang="en",
        invariant=1,
    )
    foot = partial(_foot, face, f"{report.number} · report of {report.made_at} UTC")
    document.build(_story(report, face, document.width), onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


class _Face:
    """The typeface, and the styles that are made of it."""

    def __init__(self, font: Path | None) -> None:
        from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415 — an extra
        from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415 — an extra
        from reportlab.pdfbase.ttfonts import TTFError, TTFont  # noqa: PLC0415 — an extra

        self.name, self.bold, self._known = "Helvetica", "Helvetica-Bold", None
        if font is not None:
            try:
                loaded = TTFont("report", str(font))
            except (TTFError, OSError) as error:
                raise Invalid(f"{font} is no TrueType font", hint="give a .ttf file") from error
            pdfmetrics.registerFont(loaded)
            self.name = self.bold = "report"
            self._known = frozenset(loaded.face.charToGlyph)
        text = {"fontName": self.name, "textColor": _INK, "splitLongWords": True, "wordWrap": "LTR"}
        head = {"fontName": self.bold, "textColor": _INK}
        self.body = ParagraphStyle("body", fontSize=9, leading=12.5, spaceAfter=6, **text)
        self.cell = ParagraphStyle("cell", fontSize=7.5, leading=9.5, **text)
        self.top = ParagraphStyle("top", fontSize=7.5, leading=9.5, **head)
        self.title = ParagraphStyle("title", fontSize=17, leading=21, spaceAfter=4, **head)
        self.heading = ParagraphStyle("heading", fontSize=11.5, leading=15, spaceBefore=12, spaceAfter=4, **head)
        self.warning = ParagraphStyle(
            "warning", fontSize=9.5, leading=13, spaceBefore=3, spaceAfter=3, fontName=self.bold, textColor=_ALARM
        )

    def plain(self, text: str) -> str:
        """The text, with everything unseen, and everything that the typeface lacks, shown by its code point."""
        shown = visible(text, limit=_LONGEST, keep="\n")
        if not self._knows("⟨"):
            shown = shown.translate(_BRACKETS)
        return "".join(c if self._knows(c) else f"[U+{ord(c):04X}]" for c in shown)

    def _knows(self, char: str) -> bool:
        if char == "\n":
            return True
        if self._known is not None:
            return ord(char) in self._known
        try:
            char.encode("cp1252")
        except UnicodeEncodeError:
            return False
        return True

    def paragraph(self, text: str, style: Any) -> Any:
        from reportlab.platypus import Paragraph  # noqa: PLC0415 — an extra

        return Paragraph(escape(self.plain(text)).replace("\n", "<br/>"), style)


def _story(report: Report, face: _Face, width: float) -> list[Any]:
    story = [
        face.paragraph("Post-incident report", face.body),
        face.paragraph(f"{report.number}: {report.title}", face.title),
        face.paragraph(f"As of {report.made_at} UTC, asked for by {report.by}.", face.body),
        *(face.paragraph(warning, face.warning) for warning in report.warnings),
    ]
    for section in report.sections:
        story += _section(section, face, width)
    return story


def _section(section: Section, face: _Face, width: float) -> list[Any]:
    from reportlab.platypus import CondPageBreak  # noqa: PLC0415 — an extra

    found = [CondPageBreak(90), face.paragraph(section.title, face.heading)]  # no heading alone at a page's end
    if section.words:
        found.append(face.paragraph(section.words, face.body))
    if section.facts:
        found.append(_table((), section.facts, (3, 7), face, width))
    if section.rows:
        found.append(_table(section.head, section.rows, section.widths, face, width))
    elif section.head:
        found.append(face.paragraph(section.empty, face.body))
    return found


def _table(head: Any, rows: Any, widths: Any, face: _Face, width: float) -> Any:
    from reportlab.platypus import Table, TableStyle  # noqa: PLC0415 — an extra

    cells = [[face.paragraph(cell, face.top) for cell in head]] if head else []
    cells += [[face.paragraph(cell, face.cell) for cell in row] for row in rows]
    shares = [width * share / sum(widths) for share in widths]
    table = Table(cells, colWidths=shares, repeatRows=1 if head else 0, splitInRow=1, hAlign="LEFT")
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ]
    if head:
        style.append(("BACKGROUND", (0, 0), (-1, 0), _PALE))
    table.setStyle(TableStyle(style))
    return table


def _foot(face: _Face, text: str, canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont(face.name, 7.5)
    canvas.setFillColor(_INK)
    canvas.drawString(document.leftMargin + 6, 32, face.plain(text))
    canvas.drawRightString(document.pagesize[0] - document.rightMargin - 6, 32, f"page {document.page}")
    canvas.restoreState()
