"""What a scripted incident needs of the running estate beside `exercise.ports.Estate`; `app` connects it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from watchkeeper.exercise.ports import Estate


class Ground(Estate, Protocol):
    """The estate, as an operator has it. Every method blocks."""

    def ask(self, act: str, /, **arguments: Any) -> Any:
        """An act of administration, as whoever plays."""
        ...

    def decide(self, act: str, /, **arguments: Any) -> Any:
        """The same by another operator, a responder with a token of their own: whoever began it decides nothing."""
        ...

    def frozen_gateway(self) -> AbstractContextManager[None]:
        """While it is entered the gateway does not answer."""
        ...
