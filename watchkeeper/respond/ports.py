"""What response needs from others, as Protocols that `app` connects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import msgspec

from watchkeeper.core.secrets import Secret
from watchkeeper.events.model import Event
from watchkeeper.gateway.custody.model import Asked, Drained, Ending, Live, Rest, Served
from watchkeeper.gateway.custody.reach import Said
from watchkeeper.gateway.holds import Subject
from watchkeeper.gateway.measures.model import Probe
from watchkeeper.gateway.orders import Containment, Fence, Order, OrderKind
from watchkeeper.registry.model import Snapshot
from watchkeeper.respond.errands import Delivery, Errand, Receipt
from watchkeeper.respond.model import Notification


class At(Protocol):
    """A position in the journal."""

    @property
    def writer(self) -> str: ...

    @property
    def index(self) -> int: ...


class Recorder(Protocol):
    """The journal, as far as we write to it."""

    writer: str

    def append(self, event: Event) -> int:
        """Take an event; its index. Raises `Unavailable`."""
        ...

    def wait(self, index: int) -> None:
        """Return once it is durable. Raises `Unavailable`."""
        ...


class Finder(Protocol):
    """The journal, as far as we look an event up."""

    def find(self, event_id: str) -> At | None: ...


class Definitions(Protocol):
    """What the registry knows of a tool (`registry.Pins`)."""

    def snapshot(self, server: str, name: str) -> Snapshot:
        """The pin and every definition ever shown under this name. Raises `NotFound`."""
        ...


class Orders(Protocol):
    """Containment by the gateways (`gateway.orders.OrderBook`)."""

    def fenced(self, fence: Fence) -> Orders:
        """The same orders, each change of which asks `fence` in its own transaction."""
        ...

    def issue(
        self,
        kind: OrderKind,
        target: str,
        *,
        reason: str,
        by: str,
        key: str,
        incident: str = "",
        run: str = "",
        asked_by: Sequence[str] = (),
    ) -> Order:
        """Give an order; the same key twice is one order. Raises `Unavailable`: then nothing was given."""
        ...

    def in_force(self) -> tuple[Order, ...]:
        """The orders that were not lifted."""
        ...

    def is_contained(self, order: Order, probe: Probe, *more: Probe) -> Containment:
        """Push it to every live gateway and have each judge the probes."""
        ...

    def lift(self, order_id: str, *, by: str, reason: str) -> Order:
        """End an order; one that was lifted before stays as it is."""
        ...

    def push(self) -> dict[str, int]:
        """Have every gateway take the orders over now; gateway → generation it has in force."""
        ...


class Port(Protocol):
    """What every port that acts can do, beside what it is for."""

    def fenced(self, fence: Fence) -> Self:
        """The same for a process that may lose the right to act: `fence` is asked before each act."""
        ...


class Custody(Port, Protocol):
    """What is live in the gateways (`gateway.custody.reach.Custodian`)."""

    def live(self, subject: Subject | None = None) -> Said[list[Live]]:
        """What is live, of a subject or of everybody."""
        ...

    def rest(self, subject: Subject) -> Said[Rest]:
        """What of a subject is still live, its processes and tasks looked at anew."""
        ...

    def end(self, subject: Subject, asked: Asked) -> Said[Ending]:
        """End what a subject has live; the same key twice is once. Raises `Unavailable` when no gateway runs."""
        ...

    def drain(self, server: str, within: float, asked: Asked) -> Said[Drained]:
        """End a server's sessions, those under way after so many seconds at most, and reach or start it anew."""
        ...

    def attempt(self, server: str) -> Said[Served]:
        """Have every gateway that serves it greet the server."""
        ...


class Kept(msgspec.Struct, frozen=True):
    """An object of evidence."""

    digest: str
    """`sha256:` and its hex."""
    size: int
    """Bytes."""
    subject: str
    taken_at: int


class Checked(msgspec.Struct, frozen=True):
    """Whether an object of evidence is what the journal says."""

    is_whole: bool
    digest: str = ""
    """Of the stored bytes, read anew."""
    said: str = ""
    """In the journal."""
    reason: str = ""


class Evidence(Port, Protocol):
    """Where evidence is kept (`respond.vault.Vault` until there is a room for it)."""

    def keep(self, subject: str, content: dict[str, Any], asking: Asking) -> Kept:
        """Keep JSON types, their digest in the journal; the same key twice is one object. Raises `Unavailable`."""
        ...

    def check(self, key: str) -> Checked:
        """Whether what was kept under a key is what the journal says, both read anew."""
        ...

    def seal(self, secret: str) -> str:
        """What is kept instead of a secret."""
        ...


class Host(Port, Protocol):
    """What evidence has of this host, beside what the gateways say."""

    def parts(self, server: str, seal: Callable[[str], str]) -> Mapping[str, Callable[[], Any]]:
        """Each part's name, and what takes it; of one server, or of all. A part may raise `WatchkeeperError`."""
        ...


class Notifier(Protocol):
    """A way to tell people."""

    def send(self, notification: Notification) -> Sequence[str]:
        """Deliver once per `notification.key`; returns the channels. Raises `Unavailable` when none took it."""
        ...


class Errands(Protocol):
    """Other systems that are told, paged and asked (`respond.integrations.Outbox`)."""

    def put(self, errand: Errand) -> Delivery:
        """Keep it to be carried; the same key twice is one errand. Raises `NotFound` for what nobody can carry."""
        ...

    def carry(self, errand: Errand) -> Delivery:
        """The same, and one attempt at once; how it stands then. What was not taken is tried again."""
        ...

    def prove(self, errand: Errand) -> Receipt | None:
        """Look at it anew there; None while it was not taken. Raises `Unavailable`."""
        ...


class TokenIssuer(Protocol):
    """An authorization server, as far as a token of its own can be ended (RFC 7009) and asked about (RFC 7662)."""

    def revoke(self, token: Secret, hint: str = "access_token") -> None:
        """End it; one that is not there any more is ended. `hint` is `access_token` or `refresh_token`.

        Raises `Unavailable` for what may work later, another `WatchkeeperError` for what never will.
        """
        ...

    def is_active(self, token: Secret) -> bool | None:
        """Whether it is good for anything, by the server's word; None where it does not say. Raises `Unavailable`."""
        ...


class Revoked(msgspec.Struct, frozen=True):
    """A client's token, a grant, or an issuer's token that was ended."""

    what: str
    """`client`, `grant` or `token`."""
    fingerprints: tuple[str, ...]
    """What is told of the tokens: an HMAC, or a digest of what is random."""
    doubt: str = ""
    """Why its issuer was not told; empty once it was."""


class Worth(msgspec.Struct, frozen=True):
    """What a revoked token is still good for."""

    active: bool | None
    """By its issuer's word; None where it does not say."""
    is_taken: bool | None
    """Whether it was taken when it was tried; None where it cannot be tried."""
    detail: dict[str, Any] = {}


class Tokens(Port, Protocol):
    """Tokens that clients have of us, that we hold for them, and that issuers end for us."""

    def revoke(self, principal: str, server: str, asking: Asking) -> Revoked:
        """End a client's token and all that it was granted or, with a server, its grant there, here and at its issuer.

        Done twice it is done once. Raises `NotFound` where there never was one.
        """
        ...

    def worth(self, principal: str, server: str) -> Worth:
        """What it is still good for, asked and tried anew."""
        ...

    def revoke_at(self, issuer: str, token: str, asking: Asking) -> Revoked:
        """End a token that a reference (`env:`, `file:`) names, at a configured issuer. Raises `NotFound`."""
        ...

    def worth_at(self, issuer: str, token: str) -> Worth:
        """What that issuer says of it, and whether a door of ours takes it."""
        ...


class Asking(msgspec.Struct, frozen=True):
    """On whose behalf something is done, and under which key it is done once."""

    key: str
    by: str
    reason: str
    incident: str = ""


class Rollback(msgspec.Struct, frozen=True):
    """A return to what was approved last."""

    before: str
    """Digest of what ran."""
    after: str
    """Digest of what is pinned, and runs now."""


class Rollbacks(Protocol):
    """Versions and definitions in use, as far as they can be taken back."""

    def roll_back(self, server: str, name: str, asking: Asking) -> Rollback:
        """Go back to what is pinned for a server or, with a name, for a tool of it; the same key twice is once.

        Raises `NotFound` where nothing was ever approved, `Unavailable` when nothing changed.
        """
        ...

    def running(self, server: str, name: str) -> str:
        """The digest of what runs now, looked at anew."""
        ...

    def pinned(self, server: str, name: str) -> str:
        """The digest of what was approved last."""
        ...

    def roll_forward(self, server: str, name: str, digest: str, asking: Asking) -> None:
        """Back to this digest, after a review. Raises `NotFound` when it is kept nowhere."""
        ...


class Rotation(msgspec.Struct, frozen=True):
    """A secret that took another's place; both told by fingerprint."""

    new: str
    old: str


class Rotations(Protocol):
    """Where secrets are kept: the new one is in place before the old one is withdrawn."""

    def rotate(self, secret: str, asking: Asking) -> Rotation:
        """Make, distribute and use a new one, then withdraw the old one; the same key twice is once.

        Raises `NotFound` for a secret that nobody keeps, `Unavailable` when the old one is still the one in use.
        """
        ...

    def works(self, secret: str, fingerprint: str) -> bool:
        """Whether the secret of this fingerprint is taken where it is used."""
        ...


class RegistryFreezes(Protocol):
    """Sources of servers and packages, as far as what comes from them can be stopped."""

    def freeze(self, source: str, asking: Asking) -> str:
        """Stop installs, updates and approvals from a source; its id. The same key twice is one freeze."""
        ...

    def admits(self, source: str) -> bool:
        """Whether an install from it would be let through now: asked as an installer asks, and nothing is installed."""
        ...

    def unfreeze(self, source: str, asking: Asking) -> None:
        """Let it through again."""
        ...


class LegalHolds(Protocol):
    """What keeps cases, evidence and data from being deleted, whatever retention says."""

    def hold(self, target: str, asking: Asking) -> str:
        """Keep a case, evidence or data set; the hold's id. The same key twice is one hold."""
        ...

    def would_delete(self, target: str) -> bool:
        """Whether a deletion of it would be carried out now: asked as whoever deletes asks, and nothing is deleted."""
        ...

    def lift(self, target: str, asking: Asking) -> None:
        """End the hold. Raises `Denied` without counsel's approval."""
        ...
