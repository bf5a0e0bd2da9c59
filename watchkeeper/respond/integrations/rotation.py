"""Rotating a secret: the new one is in place and proven before the old one goes. The plug-ins' contract, and its host.

A plug-in (entry points `watchkeeper.secret_keepers`, a function `(name, settings, ground) -> SecretKeeper`) keeps one
secret. The host calls `stage`, then `works`, then `withdraw`, and `restore` where the new one is not taken. Each may be
called again with the same key after a crash, and then finds what it did. Nobody is shown a secret: both are told by
fingerprint.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import Protocol, Self

from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.respond.ports import Asking, Rotation


class SecretKeeper(Protocol):
    """Where one secret is kept."""

    def stage(self, key: str) -> Rotation:
        """Make a new one and put it in place, the old one kept beside it. The same key twice is one rotation.

        Raises `Conflict` while another rotation is under way, `Unavailable`.
        """
        ...

    def works(self, fingerprint: str) -> bool:
        """Whether the secret of this fingerprint is the one in use, and is taken where it is used; asked anew."""
        ...

    def withdraw(self, key: str) -> None:
        """End the old one, and see that it is not taken any more. Raises `Unavailable` while it still is."""
        ...

    def restore(self, key: str) -> None:
        """Put the old one back in place and end the new one."""
        ...


class KeptSecrets:
    """`Rotations` over keepers by name."""

    def __init__(self, keepers: Mapping[str, SecretKeeper], database: Database) -> None:
        """`database` is where the right to act is asked for."""
        self._keepers = dict(keepers)
        self._database = database

    def fenced(self, fence: Callable[[Session], None]) -> Self:
        """The same for a process that may lose the right to act: `fence` is asked before each act."""
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        return other

    def rotate(self, secret: str, asking: Asking) -> Rotation:
        keeper = self._keeper(secret)
        self._ask()
        rotation = keeper.stage(asking.key)
        if not keeper.works(rotation.new):
            keeper.restore(asking.key)
            raise Unavailable(f"the new {secret} is not taken where it is used; the old one is back in place")
        self._ask()
        keeper.withdraw(asking.key)
        return rotation

    def works(self, secret: str, fingerprint: str) -> bool:
        return self._keeper(secret).works(fingerprint)

    def _ask(self) -> None:
        with self._database.write():
            return

    def _keeper(self, secret: str) -> SecretKeeper:
        if secret not in self._keepers:
            there = ", ".join(self._keepers) or "none"
            raise NotFound(f"nobody keeps a secret {secret!a}", hint=f"kept are: {there}")
        return self._keepers[secret]


def fingerprint(secret: str) -> str:
    """A name for a secret that does not lead back to it, nor lets a weak one be guessed quickly."""
    digest = hashlib.scrypt(secret.encode(), salt=b"watchkeeper secret", n=2**14, r=8, p=1, dklen=12)
    return f"scrypt:{digest.hex()}"
