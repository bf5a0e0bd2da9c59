"""Why a document was not loaded, with what it calls itself."""

from __future__ import annotations

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.detect.sigma.model import Refused


def refusal(document: Document, error: WatchkeeperError) -> Refused:
    """What to tell of it."""
    return Refused(
        source=document.source,
        line=document.line,
        id=str(document.content.get("id") or "")[:100],
        title=str(document.content.get("title") or "")[:200],
        reason=error.reason,
        hint=error.hint,
    )
