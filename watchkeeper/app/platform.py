"""The control plane's parts on one data folder, opened by one process under a log of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from watchkeeper.app.settings import Loaded
from watchkeeper.app.state import ready
from watchkeeper.app.upkeep import kept
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.state import StateSettings
from watchkeeper.events import Event, Journal, JournalSettings, new_event
from watchkeeper.events.censor import Censor
from watchkeeper.gateway.approvals import Approvals
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.credentials.grants import Grants
from watchkeeper.gateway.identity import Identities
from watchkeeper.gateway.orders import OrderBook
from watchkeeper.gateway.redaction.values import Values
from watchkeeper.gateway.revocations.book import Revocations
from watchkeeper.operators import Roster, Tokens
from watchkeeper.policy.persons import PersonRules
from watchkeeper.registry import Pins
from watchkeeper.web.operators import Operators


@dataclass(frozen=True)
class Platform:
    """What administration, playbooks and pages act upon."""

    data_dir: Path
    clock: Clock
    database: Database
    journal: Journal
    pins: Pins
    orders: OrderBook
    clients: Identities
    operators: Operators
    roster: Roster
    tokens: Tokens
    rules: PersonRules
    grants: Grants
    approvals: Approvals
    values: Values
    """Behind placeholders."""
    revocations: Revocations


def prepare(data_dir: Path, state: StateSettings | None = None) -> None:
    """Make the folder and bring its tables up to date, before several processes open it at once.

    Raises as `ready` does.
    """
    ready(data_dir, state).close()


@contextmanager
def opened(
    data_dir: Path,
    writer: str,
    journal: type[Journal] = Journal,
    settings: JournalSettings | None = None,
    state: StateSettings | None = None,
) -> Iterator[Platform]:
    """Open the folder, its tables brought up to date; `writer` names this process's log. Without `state`, the control
    state that the folder was last opened with.

    Raises `Conflict` when another process writes that log, `Unavailable` when the folder cannot be written, and as
    `ready` does.
    """
    clock = SystemClock()
    database = ready(data_dir, state)
    try:
        log = journal.open(data_dir, writer, clock, settings)
        try:
            values = Values(database, clock)
            log.censor = Censor(data_dir / "cache")
            log.also_erase = lambda subject: values.forget(subject.removeprefix(AGENT))
            roster, rules = Roster(database, log, clock), PersonRules()
            platform = Platform(
                data_dir=data_dir,
                clock=clock,
                database=database,
                journal=log,
                pins=Pins(database, log, clock),
                orders=OrderBook(database, log, clock),
                clients=Identities(database, log, clock),
                operators=Operators(database, log, clock, roster),
                roster=roster,
                tokens=Tokens(database, log, clock),
                rules=rules,
                grants=Grants(database, log, clock),
                approvals=Approvals(database, log, clock, rules, roster),
                values=values,
                revocations=Revocations(database, log, clock),
            )
            with kept(log, data_dir, settings, clock):
                yield platform
        finally:
            log.close()
    finally:
        database.close()


def digest_of(loaded: Loaded) -> str:
    """By which settings can be told from others."""
    return hashlib.sha256(msgspec.json.encode(loaded.settings, order="sorted")).hexdigest()


def note_service(platform: Platform, loaded: Loaded, service: str, kind: str) -> None:
    """Record that a service began or ended, and by which settings: their hash, never the settings."""
    actor, now = f"system:{service}", platform.clock.now()
    if kind == "admin.service.started":
        platform.journal.append(_loaded_event(platform, loaded, service, actor))
    platform.journal.record(new_event(now, kind, actor=actor, target=service, outcome="success"))


def note_loaded(platform: Platform, loaded: Loaded, service: str, *, by: str, **more: object) -> None:
    """Record that other settings were put in force while the service ran, and who had it done. Blocking."""
    platform.journal.record(_loaded_event(platform, loaded, service, by, **more))


def note_refused(platform: Platform, loaded: Loaded, service: str, error: WatchkeeperError, *, by: str) -> None:
    """Record that settings were read anew and not taken; `loaded` stays in force. Blocking."""
    body = {"file": str(loaded.path or ""), "code": error.code, "reason": error.reason, "in_force": digest_of(loaded)}
    now = platform.clock.now()
    event = new_event(now, "admin.config.refused", actor=by, target=service, outcome="failure", body=body)
    platform.journal.record(event)


def _loaded_event(platform: Platform, loaded: Loaded, service: str, actor: str, **more: object) -> Event:
    body = {"file": str(loaded.path or ""), "sha256": digest_of(loaded), **more}
    now = platform.clock.now()
    return new_event(now, "admin.config.loaded", actor=actor, target=service, outcome="success", body=body)
