"""A problem of a rule. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from watchkeeper.detect.sigma.files.documents import Document


class Weight(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """It cannot be loaded, or never fires."""
    WARNING = "warning"
    """It does something else than people will think, or costs much."""
    HINT = "hint"
    """It could be better."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One problem."""

    weight: Weight
    code: str
    """Stable, for programs: `duplicate-id`."""
    what: str
    mend: str
    source: str = ""
    line: int = 0
    id: str = ""
    title: str = ""

    def of(self, document: Document) -> Problem:
        """The same, said of a document."""
        content = document.content
        return msgspec.structs.replace(
            self,
            source=document.source,
            line=document.line,
            id=str(content.get("id") or "")[:100],
            title=str(content.get("title") or "")[:200],
        )


def error(code: str, what: str, mend: str) -> Problem:
    """It cannot be loaded, or never fires."""
    return Problem(weight=Weight.ERROR, code=code, what=what, mend=mend)


def warning(code: str, what: str, mend: str) -> Problem:
    """It does something else than people will think, or costs much."""
    return Problem(weight=Weight.WARNING, code=code, what=what, mend=mend)


def hint(code: str, what: str, mend: str) -> Problem:
    """It could be better."""
    return Problem(weight=Weight.HINT, code=code, what=what, mend=mend)
