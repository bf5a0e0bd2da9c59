"""What a scripted incident needs of the running estate beside `exercise.ports.Estate`; `app` connects it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from watchkeeper.exercise.members import Members
from watchkeeper.exercise.ports import Estate

RESPONDER = "exercise-responder"
"""The operator who decides in an exercise: invited for it, and gone afterwards."""
ADMINS = ("exercise-admin", "exercise-second-admin")
"""Two administrators, for what takes two."""


class Held(msgspec.Struct, frozen=True):
    """The tokens that came of a sign-in, as whoever stole them has them."""

    access: str
    refresh: str


class Ground(Estate, Protocol):
    """The estate, as an operator has it. Every method blocks."""

    def ask(self, act: str, /, **arguments: Any) -> Any:
        """An act of administration, as whoever plays."""
        ...

    def decide(self, voice: str, act: str, /, **arguments: Any) -> Any:
        """The same by another operator with a token of their own: whoever began it decides nothing."""
        ...

    def forget_tokens(self) -> None:
        """Clients get a new token when they ask the next time: the one that they had may have been revoked."""
        ...

    def frozen_gateway(self) -> AbstractContextManager[None]:
        """While it is entered the gateway does not answer."""
        ...

    def cut_log(self) -> str:
        """Take the newest records off the console's log while the console is down, and start it again; what was done.

        Raises `Conflict` on an estate that is somebody's.
        """
        ...

    @property
    def members(self) -> Members:
        """The server for members, and its authorization server. Raises `Conflict` where there is none."""
        ...

    def sign_in(self, client: str) -> Held:
        """A person lets this client act for them at the server for members. Raises `Conflict` where there is none."""
        ...
