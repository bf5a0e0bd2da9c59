"""The actions of a collection of documents, as Sigma had them before version 2: `global`, `reset` and `repeat`.

What a document says itself goes before what a `global` one says for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.sigma.files.documents import Document


class UnknownAction(Misconfigured):
    """A document has an action that Sigma has not."""


def flattened(documents: Iterable[Document]) -> Iterator[Document]:
    """The documents of one file with its actions carried out. Raises `UnknownAction`."""
    general: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for document in documents:
        content = dict(document.content)
        action = content.pop("action", None)
        if action == "global":
            general = content
        elif action == "reset":
            general = {}
        elif action == "repeat":
            last = merged(last, content)
            yield document.saying(last)
        elif action is not None:
            raise UnknownAction(f"has the action {str(action)[:40]!r} in line {document.line}", hint="split the file")
        elif is_correlation(document) or is_filter(document):
            yield document
        else:
            last = merged(general, content)
            yield document.saying(last)


def is_correlation(document: Document) -> bool:
    """Whether it speaks of what several rules find."""
    return "correlation" in document.content and "detection" not in document.content


def is_filter(document: Document) -> bool:
    """Whether it takes something away from what rules find."""
    return "filter" in document.content and "detection" not in document.content


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both; where they differ, what `over` says."""
    whole = dict(under)
    for key, value in over.items():
        mine = whole.get(key)
        whole[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return whole
