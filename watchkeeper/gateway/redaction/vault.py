"""The values behind placeholders: sealed in memory, each principal's apart, bounded, and forgotten after a time.

`sharing` hands what is new here to the control state, so that others can restore it, and brings what is missing here.

The same value of the same principal gets the same placeholder for as long as the key lives, so that a model can compare
and join without seeing. Names are a keyed hash: nobody can test a guess at a value without the key. Two letters of a
name are a check: what looks like a placeholder and was never one of ours can be told from one that was forgotten.
Nothing is written anywhere by this module, and what it hands out to be written is sealed.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from base64 import b32encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from watchkeeper.core.errors import Untrusted
from watchkeeper.core.sealing import SealingKey
from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import LETTERS, PATTERN, written
from watchkeeper.gateway.redaction.settings import RedactionSettings

_BODY = LETTERS - 2
_ROUNDS = 8
"""Names that are tried for a value before it is given up: each is taken by another value once in 2^50."""
_SLACK = 0.125
"""Part of its time by which others may forget a value earlier: it is told anew once that is exceeded."""
_SHARED = "shared"


class _Kept(msgspec.Struct):
    sealed: str
    digest: bytes
    kind: str
    classes: frozenset[str]
    servers: frozenset[str]
    is_number: bool
    until: float
    told_until: float = 0.0
    """How long others keep it by what they were told."""


class Record(msgspec.Struct, frozen=True):
    """A value as others may keep it: who it is of, and the rest sealed."""

    owner: str
    name: str
    sealed: str
    seconds: float
    """How long it is to be kept from now on."""


class _Facts(msgspec.Struct, array_like=True):
    text: str
    kind: str
    classes: frozenset[str]
    servers: frozenset[str]
    is_number: bool


class Vault:
    """Every route's. Safe for threads."""

    def __init__(
        self,
        key: bytes = b"",
        settings: RedactionSettings | None = None,
        now: Callable[[], float] = time.monotonic,
        *,
        is_shared: bool = False,
    ) -> None:
        """With `is_shared`, what is new is held ready for others: somebody takes it, and says when they have it."""
        key = key or os.urandom(32)
        self._naming = hmac.digest(key, b"names of placeholders", "sha256")
        self._seal = SealingKey(hmac.digest(key, b"values of placeholders", "sha256"))
        self.settings = settings or RedactionSettings()
        self._now = now
        self._is_shared = is_shared
        self._lock = threading.RLock()
        self._fresh: dict[tuple[str, str], _Kept] = {}
        self._taken: dict[tuple[str, str], _Kept] = {}
        self._of: dict[str, OrderedDict[str, _Kept]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def keep(self, owner: str, value: Value) -> str | None:
        """The placeholder of a value; None when it cannot be kept."""
        if not 0 < len(value.text) <= self.settings.longest:
            return None
        text = value.text.encode()
        digest = self._hash(b"value", owner, value.kind, text)
        with self._lock:
            for attempt in range(_ROUNDS):
                name = self._name(value.kind, digest if not attempt else self._hash(b"%d" % attempt, owner, "", digest))
                known = self._held(owner).get(name)
                if known is None:
                    if not self._has_room(owner):
                        return None
                    sealed = self._seal.seal(text, owner, name)
                    known = _Kept(sealed, digest, value.kind, frozenset(), frozenset(), value.is_number, 0.0)
                    self._put(owner, name, known)
                if known.digest == digest:
                    self._learn(owner, name, known, value)
                    return written(value.kind, name)
            return None

    def value_of(self, owner: str, kind: str, name: str) -> Value | None:
        """What a placeholder of this principal stands for; None when nothing is kept under it."""
        with self._lock:
            known = self._known(owner, kind, name)
            if known is None:
                return None
            self._touch(owner, name, known)
            return Value(
                self._text(owner, name, known), kind, tuple(sorted(known.classes)), known.servers, known.is_number
            )

    def misses(self, owner: str, kind: str, name: str) -> bool:
        """Whether a placeholder was made with this key, and nothing is kept under it here."""
        return self.is_ours(kind, name) and self._known(owner, kind, name) is None

    def is_ours(self, kind: str, name: str) -> bool:
        """Whether a placeholder was made with this key, for whomever and whenever."""
        return hmac.compare_digest(name[_BODY:], self._check(kind, name[:_BODY]))

    def is_placeholder(self, text: str) -> bool:
        """Whether a text is one placeholder of ours and nothing else."""
        found = PATTERN.fullmatch(text)
        return found is not None and self.is_ours(found[1], found[2])

    # what others keep, too

    @property
    def has_untold(self) -> bool:
        """Whether something is kept here that others cannot restore yet."""
        with self._lock:
            return bool(self._fresh or self._taken)

    def take_fresh(self) -> list[Record]:
        """What others are to be told; whoever takes it says `told` or `not_told` of all of it."""
        with self._lock:
            self._taken, self._fresh = self._fresh, {}
            now, lasting = self._now(), self._lasting
            for kept in self._taken.values():
                kept.told_until = now + lasting
            return [Record(*place, self._record(*place, kept), lasting) for place, kept in self._taken.items()]

    def told(self) -> None:
        """Others have all that was taken."""
        with self._lock:
            self._taken = {}

    def not_told(self) -> None:
        """They could not be told; what of it is still kept here is to be taken again."""
        with self._lock:
            for (owner, name), kept in self._taken.items():
                kept.told_until = 0.0
                if self._held(owner).get(name) is kept:
                    self._fresh.setdefault((owner, name), kept)
            self._taken = {}

    def merged(self, mine: Record, theirs: str) -> str:
        """Sealed, what is known of a value by two; what does not open counts for nothing."""
        other = self._open(mine.owner, mine.name, theirs)
        own = self._open(mine.owner, mine.name, mine.sealed)
        if other is None or own is None or other.text != own.text:
            return mine.sealed
        own.classes |= other.classes
        own.servers |= other.servers
        return self._sealed(mine.owner, mine.name, own)

    def hear(self, told: Record, *, adopt: bool = False) -> None:
        """Take over what others know of a value that is kept here; with `adopt`, of any. A changed row says nothing."""
        with self._lock:
            known = self._held(told.owner).get(told.name)
            if known is None and not adopt:
                return
            facts = self._open(told.owner, told.name, told.sealed)
            if facts is None:
                return
            text, now = facts.text.encode(), self._now()
            if known is None:
                if told.seconds <= 0 or not self._has_room(told.owner):
                    return
                digest = self._hash(b"value", told.owner, facts.kind, text)
                sealed, until = self._seal.seal(text, told.owner, told.name), now + told.seconds
                known = _Kept(sealed, digest, facts.kind, frozenset(), frozenset(), facts.is_number, until, until)
                self._put(told.owner, told.name, known)
            known.classes |= facts.classes
            known.servers |= facts.servers

    def forget(self, owner: str) -> None:
        """Keep nothing of a principal any more, and tell others nothing of it."""
        with self._lock:
            self._count -= len(self._of.pop(owner, ()))
            self._fresh = {place: kept for place, kept in self._fresh.items() if place[0] != owner}

    # how it is kept

    @property
    def _lasting(self) -> float:
        return self.settings.hours * 3600.0

    def _held(self, owner: str) -> OrderedDict[str, _Kept]:
        return self._of.get(owner) or OrderedDict()

    def _known(self, owner: str, kind: str, name: str) -> _Kept | None:
        known = self._held(owner).get(name)
        return known if known is not None and known.kind == kind and known.until >= self._now() else None

    def _text(self, owner: str, name: str, kept: _Kept) -> str:
        return self._seal.open(kept.sealed, owner, name).decode()

    def _learn(self, owner: str, name: str, known: _Kept, value: Value) -> None:
        """What this sight of a value says beside its text. Others must have all of it before a placeholder leaves."""
        classes, servers = known.classes.union(value.classes), known.servers | value.servers
        if (classes, servers, value.is_number) != (known.classes, known.servers, known.is_number):
            known.told_until = 0.0
        known.classes, known.servers, known.is_number = classes, servers, value.is_number
        self._touch(owner, name, known)

    def _touch(self, owner: str, name: str, kept: _Kept) -> None:
        kept.until = self._now() + self._lasting
        self._of[owner].move_to_end(name)
        if self._is_shared and kept.until - kept.told_until > self._lasting * _SLACK:
            self._fresh[owner, name] = kept

    def _put(self, owner: str, name: str, kept: _Kept) -> None:
        self._of.setdefault(owner, OrderedDict())[name] = kept
        self._count += 1

    def _has_room(self, owner: str) -> bool:
        """Forget what is out of time, and then whatever was not used for longest by whoever has most.

        False when others were not told of that yet: its placeholder may be on its way to somebody.
        """
        now = self._now()
        for other, held in list(self._of.items()):
            while held and next(iter(held.values())).until < now and self._drop(other):
                continue
            if not held:
                del self._of[other]
        if len(self._of.get(owner, ())) >= self.settings.of_one:
            return self._drop(owner)
        if self._count >= self.settings.values:
            return self._drop(max(self._of, key=lambda one: len(self._of[one])))
        return True

    def _drop(self, owner: str) -> bool:
        name = next(iter(self._of[owner]))
        if (owner, name) in self._fresh or (owner, name) in self._taken:
            return False
        del self._of[owner][name]
        self._count -= 1
        return True

    def _record(self, owner: str, name: str, kept: _Kept) -> str:
        text = self._text(owner, name, kept)
        return self._sealed(owner, name, _Facts(text, kept.kind, kept.classes, kept.servers, kept.is_number))

    def _sealed(self, owner: str, name: str, facts: _Facts) -> str:
        return self._seal.seal(_encode(facts), _SHARED, owner, name)

    def _open(self, owner: str, name: str, sealed: str) -> _Facts | None:
        try:
            return _decode(self._seal.open(sealed, _SHARED, owner, name))
        except (Untrusted, msgspec.MsgspecError):
            return None

    def _name(self, kind: str, digest: bytes) -> str:
        body = b32encode(digest[:10]).decode().lower()[:_BODY]
        return body + self._check(kind, body)

    def _check(self, kind: str, body: str) -> str:
        return b32encode(self._hash(b"check", kind, body, b"")[:5]).decode().lower()[: LETTERS - _BODY]

    def _hash(self, purpose: bytes, *parts: str | bytes) -> bytes:
        told = [urlsafe_b64encode(part.encode() if isinstance(part, str) else part) for part in (purpose, *parts)]
        return hmac.digest(self._naming, b".".join(told), "sha256")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Facts).decode
