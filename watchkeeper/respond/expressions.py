"""CEL, the only expression language of playbooks, within limits of our own: content can be wrong too."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# The package brings a command line and a terminal library in, a third of what response takes to import.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))

import cel  # noqa: E402

from watchkeeper.core.errors import Invalid  # noqa: E402
from watchkeeper.respond.costs import too_costly  # noqa: E402

MAX_LENGTH = 1_000
MAX_DEPTH = 12
_OPENING, _CLOSING = "([{", ")]}"


class Expression:
    """A compiled CEL expression."""

    def __init__(self, text: str) -> None:
        """Raises `Invalid` when it does not parse, is too long, nests too deeply, or may take too long."""
        self.text = text
        if len(text) > MAX_LENGTH:
            raise Invalid(f"the expression has {len(text)} characters; {MAX_LENGTH} are allowed")
        if _depth(text) > MAX_DEPTH:
            raise Invalid(f"the expression nests deeper than {MAX_DEPTH}")
        if why := too_costly(text):
            raise Invalid(f"the expression may cost too much: {why}", hint="say it in several, or more simply")
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise Invalid(f"not a CEL expression: {error}") from error

    def value(self, facts: Mapping[str, Any]) -> Any:
        """Raises `Invalid` when it cannot be evaluated on these facts."""
        try:
            return self._program.execute(dict(facts))
        except Exception as error:  # the library raises ValueError, TypeError, RuntimeError and more
            raise Invalid(f"cannot evaluate {self.text!r}: {error}") from error

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Raises `Invalid` when the answer is neither true nor false: it must not read as either."""
        answer = self.value(facts)
        if not isinstance(answer, bool):
            raise Invalid(f"{self.text!r} is neither true nor false but {type(answer).__name__}")
        return answer


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif character in _CLOSING:
            depth -= 1
    return deepest
