"""What an integration implements; built-in ones and plug-ins enter by the entry points `watchkeeper.integrations`.

An entry point names a function `(name, settings, ground) -> Integration`, called once when the service starts; it
connects to nobody. What it makes is used by one thread at a time. Obligations:

1. `deliver` ends within the settings' deadline, whatever the other side does, and reads a bounded answer.
2. The errand's key goes along where the protocol has a place for it; where it has none, look before you create.
3. What the answer claims is looked at by `verify`, where the protocol has a way; an answer that does not fit the
   protocol is `verified=False`, never a success.
4. What an agent or a server wrote is text there: no mention, link, markup, header or command.
5. No secret is in a receipt, an error or a log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from watchkeeper.core.clock import Clock
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.errands import Errand, Receipt, Repeats, Verb
from watchkeeper.respond.integrations.settings import IntegrationSettings


class Integration(Protocol):
    """One way to another system."""

    @property
    def verbs(self) -> frozenset[Verb]:
        """What it can be asked for."""
        ...

    @property
    def repeats(self) -> Repeats: ...

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        """Carry it out. `again`: whether an earlier attempt reached the receiver is not known.

        Raises `Unavailable` for what may work later (`NotTaken` says when), another `WatchkeeperError` for what
        never will.
        """
        ...

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        """The receipt, with `verified` as it is there now; unchanged where nobody can be asked. Raises as above."""
        ...


@runtime_checkable
class Looks(Protocol):
    """An integration of which nothing can be asked that leaves no trace, and which looks instead when it is tried."""

    def look(self) -> Receipt:
        """Whether it would work, as far as that is seen. Raises like `deliver`."""
        ...


@dataclass(frozen=True)
class Ground:
    """What an integration is made on."""

    fetch: FetchSettings
    read_secret: Callable[[str, str], Secret]
    """Setting and reference to the secret behind it. Raises `Misconfigured`."""
    clock: Clock
    environment: Mapping[str, str]
    """The process's, for programs that are started; a plug-in reads no settings from it."""


Maker = Callable[[str, IntegrationSettings, Ground], Integration]
