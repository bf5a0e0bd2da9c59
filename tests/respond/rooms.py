"""The way of a life to what `premises` has: gateways' custody, evidence, and the rooms beyond the gateways."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.control import ask
from watchkeeper.core.database import Database
from watchkeeper.core.files import socket_path
from watchkeeper.events import Journal, JournalReader
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.orders import Fence
from watchkeeper.respond.ports import Asking, Port, Revoked, Rollback, Rotation, Worth
from watchkeeper.respond.vault import Vault

ROOMS = "rooms"
"""What their socket is called."""
_BAD, _GOOD = "sha256:" + "b" * 64, "sha256:" + "a" * 64


class Keys:
    """The keys under which a life acts: as it is told, or, where it is forgetful, other ones in each life."""

    def __init__(self, *, is_forgetful: bool = False) -> None:
        self._more = f":{os.getpid()}" if is_forgetful else ""

    def of(self, key: str) -> str:
        return key + self._more


class Rooms:
    """The way there, for a life: tokens, secrets, versions, sources and legal holds."""

    def __init__(self, data: Path, database: Database, struck: Callable[[str], None], keys: Keys) -> None:
        self._socket = socket_path(data, ROOMS)
        self._database = database
        self._struck = struck
        self._keys = keys

    def fenced(self, fence: Fence) -> Self:
        other = copy.copy(self)
        other._database = self._database.guarded(fence)
        return other

    def _act(self, verb: str, target: str, asking: Asking) -> str:
        with self._database.write():
            pass
        done = str(ask(self._socket, "act", {"verb": verb, "target": target, "key": self._keys.of(asking.key)})["id"])
        self._struck(f"{verb} acted")
        return done

    def _is(self, verb: str, target: str) -> bool:
        return bool(ask(self._socket, "is", {"verb": verb, "target": target})["is"])

    def revoke(self, principal: str, server: str, asking: Asking) -> Revoked:
        return Revoked("client", (self._act("revoke", f"{principal} {server}", asking),))

    def worth(self, principal: str, server: str) -> Worth:
        is_good = not self._is("revoke", f"{principal} {server}")
        return Worth(is_good, is_good)

    def revoke_at(self, issuer: str, token: str, asking: Asking) -> Revoked:
        return Revoked("token", (self._act("revoke", f"{issuer} {token}", asking),))

    def worth_at(self, issuer: str, token: str) -> Worth:
        return Worth(not self._is("revoke", f"{issuer} {token}"), None)

    def roll_back(self, server: str, name: str, asking: Asking) -> Rollback:
        self._act("roll_back", f"{server}/{name}", asking)
        return Rollback(_BAD, _GOOD)

    def running(self, server: str, name: str) -> str:
        return _GOOD if self._is("roll_back", f"{server}/{name}") else _BAD

    def pinned(self, server: str, name: str) -> str:
        return _GOOD

    def roll_forward(self, server: str, name: str, digest: str, asking: Asking) -> None:
        self._act("roll_forward", f"{server}/{name}", asking)

    def rotate(self, secret: str, asking: Asking) -> Rotation:
        return Rotation(self._act("rotate", secret, asking), "the one before")

    def works(self, secret: str, fingerprint: str) -> bool:
        return (fingerprint == "the one before") != self._is("rotate", secret)

    def freeze(self, source: str, asking: Asking) -> str:
        return self._act("freeze", source, asking)

    def admits(self, source: str) -> bool:
        return not self._is("freeze", source)

    def unfreeze(self, source: str, asking: Asking) -> None:
        self._act("unfreeze", source, asking)

    def hold(self, target: str, asking: Asking) -> str:
        return self._act("hold", target, asking)

    def would_delete(self, target: str) -> bool:
        return not self._is("hold", target)

    def lift(self, target: str, asking: Asking) -> None:
        self._act("lift", target, asking)


class Mortal(Custodian):
    """A custodian whose process is struck right after a gateway ended something."""

    struck: Callable[[str], None]
    keys: Keys

    def end(self, subject: Any, asked: Any) -> Any:
        said = super().end(subject, msgspec.structs.replace(asked, key=self.keys.of(asked.key)))
        self.struck("end acted")
        return said

    def drain(self, server: str, within: float, asked: Any) -> Any:
        said = super().drain(server, within, msgspec.structs.replace(asked, key=self.keys.of(asked.key)))
        self.struck("drain acted")
        return said


def ports(
    data: Path, database: Database, journal: Journal, struck: Callable[[str], None], keys: Keys
) -> dict[str, Port]:
    """For `Connections.also`: every port that a shipped playbook's step needs."""
    clock = SystemClock()
    custody, rooms = Mortal(database, clock), Rooms(data, database, struck, keys)
    custody.struck, custody.keys = struck, keys
    found: dict[str, Any] = {"custody": custody, "evidence": Vault(data, journal, JournalReader(data), clock)}
    return found | dict.fromkeys(("tokens", "rollbacks", "rotations", "freezes", "legal_holds"), rooms)
