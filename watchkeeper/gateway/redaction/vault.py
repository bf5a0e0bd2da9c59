"""The values behind placeholders: sealed in memory, each principal's apart, bounded, and forgotten after a time.

The same value of the same principal gets the same placeholder for as long as the key lives, so that a model can compare
and join without seeing. Names are a keyed hash: nobody can test a guess at a value without the key. Two letters of a
name are a check: what looks like a placeholder and was never one of ours can be told from one that was forgotten.
Values are never written anywhere by this module.
"""

from __future__ import annotations

import hmac
import os
import time
from base64 import b32encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from watchkeeper.core.sealing import SealingKey
from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import LETTERS, PATTERN, written

_BODY = LETTERS - 2
_ROUNDS = 8
"""Names that are tried for a value before it is given up: each is taken by another value once in 2^50."""


class VaultSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept, and how long."""

    most: int = 200_000
    """Values in all."""
    of_one: int = 20_000
    """Values of one principal: a server that shows more of them cannot push out what others need."""
    longest: int = 65_536
    """Characters of a value."""
    seconds: float = 12 * 3600.0
    """How long one is kept after it was last seen or used."""


class _Kept(msgspec.Struct):
    sealed: str
    digest: bytes
    kind: str
    classes: frozenset[str]
    servers: frozenset[str]
    is_number: bool
    until: float


class Vault:
    """Every route's. For one thread."""

    def __init__(
        self,
        key: bytes = b"",
        settings: VaultSettings | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        key = key or os.urandom(32)
        self._naming = hmac.digest(key, b"names of placeholders", "sha256")
        self._seal = SealingKey(hmac.digest(key, b"values of placeholders", "sha256"))
        self._settings = settings or VaultSettings()
        self._now = now
        self._of: dict[str, OrderedDict[str, _Kept]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def keep(self, owner: str, value: Value) -> str | None:
        """The placeholder of a value; None when it cannot be kept."""
        if not 0 < len(value.text) <= self._settings.longest:
            return None
        text = value.text.encode()
        digest = self._hash(b"value", owner, value.kind, text)
        held = self._of.setdefault(owner, OrderedDict())
        for attempt in range(_ROUNDS):
            name = self._name(value.kind, digest if not attempt else self._hash(b"%d" % attempt, owner, "", digest))
            known = held.get(name)
            if known is None:
                known = _Kept(self._sealed(owner, name, text), digest, value.kind, frozenset(), frozenset(), False, 0.0)
                self._make_room(owner)
                held[name] = known
                self._count += 1
            if known.digest == digest:
                known.classes |= frozenset(value.classes)
                known.servers |= value.servers
                known.is_number = value.is_number
                self._touch(held, name, known)
                return written(value.kind, name)
        return None

    def value_of(self, owner: str, kind: str, name: str) -> Value | None:
        """What a placeholder of this principal stands for; None when nothing is kept under it."""
        held = self._of.get(owner, OrderedDict())
        known = held.get(name)
        if known is None or known.kind != kind or known.until < self._now():
            return None
        self._touch(held, name, known)
        text = self._seal.open(known.sealed, owner, name).decode()
        return Value(text, kind, tuple(sorted(known.classes)), known.servers, known.is_number)

    def is_ours(self, kind: str, name: str) -> bool:
        """Whether a placeholder was made with this key, for whomever and whenever."""
        return hmac.compare_digest(name[_BODY:], self._check(kind, name[:_BODY]))

    def is_placeholder(self, text: str) -> bool:
        """Whether a text is one placeholder of ours and nothing else."""
        found = PATTERN.fullmatch(text)
        return found is not None and self.is_ours(found[1], found[2])

    def _touch(self, held: OrderedDict[str, _Kept], name: str, kept: _Kept) -> None:
        kept.until = self._now() + self._settings.seconds
        held.move_to_end(name)

    def _make_room(self, owner: str) -> None:
        """Forget what is out of time, and then whatever was not used for longest by whoever has most."""
        now = self._now()
        for held in [held for held in self._of.values() if held and next(iter(held.values())).until < now]:
            while held and next(iter(held.values())).until < now:
                self._drop(held)
        if len(self._of[owner]) >= self._settings.of_one:
            self._drop(self._of[owner])
        elif self._count >= self._settings.most:
            self._drop(max(self._of.values(), key=len))
        for name in [name for name, held in self._of.items() if not held and name != owner]:
            del self._of[name]

    def _drop(self, held: OrderedDict[str, _Kept]) -> None:
        held.popitem(last=False)
        self._count -= 1

    def _sealed(self, owner: str, name: str, text: bytes) -> str:
        return self._seal.seal(text, owner, name)

    def _name(self, kind: str, digest: bytes) -> str:
        body = b32encode(digest[:10]).decode().lower()[:_BODY]
        return body + self._check(kind, body)

    def _check(self, kind: str, body: str) -> str:
        return b32encode(self._hash(b"check", kind, body, b"")[:5]).decode().lower()[: LETTERS - _BODY]

    def _hash(self, purpose: bytes, *parts: str | bytes) -> bytes:
        told = [urlsafe_b64encode(part.encode() if isinstance(part, str) else part) for part in (purpose, *parts)]
        return hmac.digest(self._naming, b".".join(told), "sha256")
