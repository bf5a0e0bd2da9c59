"""What a document says about itself: id, name, title, level, tags. Tolerant: none of it decides what matches.

What is wrong with it is for `lint` to say. A rule without an id is known by its name, or by its file's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.files.documents import Document
from watchkeeper.events import Severity

_LONGEST = 1_000
_LEVELS = {level.name.lower(): level for level in Severity}


def heading_of(document: Document, version: str) -> Heading:
    """Its heading; `version` is the hash of what decides."""
    content = document.content
    ours = content.get("watchkeeper")
    ours = ours if isinstance(ours, dict) else {}
    name = _text(content.get("name")) or Path(document.source).stem
    return Heading(
        id=_id(content.get("id")) or name,
        name=name,
        title=_text(content.get("title")) or name,
        level=_LEVELS.get(_text(content.get("level")).casefold(), Severity.MEDIUM),
        tags=texts(content.get("tags")),
        falsepositives=texts(content.get("falsepositives")),
        response=_text(ours.get("response")),
        playbook=_text(ours.get("playbook")),
        version=version,
        source=document.source,
    )


def names_of(document: Document) -> tuple[str, ...]:
    """The words by which others may refer to it."""
    said = (_id(document.content.get("id")), _text(document.content.get("name")), Path(document.source).stem)
    return tuple(dict.fromkeys(word for word in said if word))


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, or one that stands alone; what is none is left out."""
    return tuple(text for one in (value if isinstance(value, list) else [value]) if (text := _text(one)))


def _id(value: Any) -> str:
    text = _text(value)
    try:
        return str(UUID(text))
    except ValueError:
        return text


def _text(value: Any) -> str:
    """Numbers and dates are words here, as people forget quotation marks."""
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()[:_LONGEST]
