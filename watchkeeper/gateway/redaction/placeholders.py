"""How a placeholder is written: `[[email:k3jx9qmt2vlp]]`, a type and twelve letters that say nothing by themselves.

Short enough for a model to repeat exactly, and unlike anything that JSON, Markdown or an inspector's rule takes for
something else.
"""

from __future__ import annotations

import re

MARK = b"[["
"""What a message with a placeholder has somewhere."""
LETTERS = 12
PATTERN = re.compile(r"\[\[([a-z][a-z0-9_]{0,39}):([a-z2-7]{12})\]\]")
"""Type and name."""
IN_BYTES = re.compile(PATTERN.pattern.encode())
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")


def written(kind: str, name: str) -> str:
    """The placeholder of this type and name."""
    return f"[[{kind}:{name}]]"


def is_kind(kind: str) -> bool:
    """Whether a type can be written."""
    return _KIND.fullmatch(kind) is not None
