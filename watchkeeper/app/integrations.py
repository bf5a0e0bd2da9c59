"""Integrations wired: their secrets read, the outbox for the watch, and what a person asks of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from watchkeeper.app.revoking import HeldTokens
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.app.state import database_of
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.core.plugins import load
from watchkeeper.core.secrets import SecretReader
from watchkeeper.core.state import is_there
from watchkeeper.events import JournalReader, new_event
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.integrations.hand import Standing, Tried, try_out
from watchkeeper.respond.integrations.interface import Ground, Integration
from watchkeeper.respond.integrations.minutes import Minutes
from watchkeeper.respond.integrations.outbox import Outbox, counted
from watchkeeper.respond.integrations.rotation import KeptSecrets, SecretKeeper
from watchkeeper.respond.integrations.settings import IntegrationSettings, check_integrations
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.ports import Port, TokenIssuer
from watchkeeper.respond.webhooks.signing import keys_of

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

CARRIERS, ISSUERS, KEEPERS = "integrations", "token_issuers", "secret_keepers"
"""Groups of plug-ins: what carries errands, ends tokens, rotates secrets."""
Made = Mapping[str, tuple[IntegrationSettings, Integration]]


def ground_of(loaded: Loaded, clock: Clock) -> Ground:
    """What integrations are made on."""
    return Ground(loaded.settings.fetch, SecretReader(environment()).read, clock, environment())


def integrations_of(loaded: Loaded, clock: Clock) -> Made:
    """Those that are switched on and carry errands. Raises `Misconfigured`, also for one of another kind."""
    made: dict[str, tuple[IntegrationSettings, Integration]] = {}
    for name, (one, integration) in _made(loaded, clock, CARRIERS).items():
        if one.notify and Verb.TELL not in integration.verbs:
            raise Misconfigured(
                f"respond.integrations.{name}.notify: a {one.type} shows nobody a text",
                hint="leave it out; a playbook asks for it",
            )
        made[name] = one, integration
    return made


def token_issuers_of(loaded: Loaded, clock: Clock) -> dict[str, TokenIssuer]:
    """The authorization servers at which tokens can be ended, by name. Raises `Misconfigured`."""
    return {name: issuer for name, (_, issuer) in _made(loaded, clock, ISSUERS).items()}


def kept_by(loaded: Loaded, platform: Platform) -> dict[str, Port]:
    """`rotations`, where a secret's keeper is configured; else nothing. Raises `Misconfigured`."""
    keepers = keepers_of(loaded, platform.clock)
    return {"rotations": KeptSecrets(keepers, platform.database)} if keepers else {}


def tokens_of(loaded: Loaded, platform: Platform, seal: Callable[[str], str]) -> HeldTokens:
    """Every token that can be ended from here."""
    reader = SecretReader(environment())
    return HeldTokens(loaded, platform, lambda: token_issuers_of(loaded, platform.clock), reader, seal)


def keepers_of(loaded: Loaded, clock: Clock) -> dict[str, SecretKeeper]:
    """Who keeps which secret, by name. Raises `Misconfigured`."""
    return {name: keeper for name, (_, keeper) in _made(loaded, clock, KEEPERS).items()}


def check_all(loaded: Loaded) -> None:
    """Every integration that is switched on could be made. Raises `Misconfigured`."""
    clock = SystemClock()
    integrations_of(loaded, clock)
    token_issuers_of(loaded, clock)
    keepers_of(loaded, clock)
    for name, one in loaded.settings.respond.integrations.items():
        if one.reply_secret:
            where = f"respond.integrations.{name}.reply_secret"
            keys_of(where, SecretReader(environment()).read(where, one.reply_secret))


def _made(loaded: Loaded, clock: Clock, group: str) -> dict[str, tuple[IntegrationSettings, Any]]:
    settings = loaded.settings.respond.integrations
    check_integrations(settings)
    makers = {one: load(one) for one in (CARRIERS, ISSUERS, KEEPERS)} if settings else {}
    made: dict[str, tuple[IntegrationSettings, Any]] = {}
    for name, one in settings.items():
        if not any(one.type in known for known in makers.values()):
            known = ", ".join(kind for group in makers.values() for kind in group)
            raise Misconfigured(
                f"respond.integrations.{name}.type: there is no {one.type!a}", hint=f"choose from {known}"
            )
        if one.enabled and one.type in makers[group]:
            made[name] = one, makers[group][one.type](name, one, ground_of(loaded, clock))
    return made


class Reaching:
    """All integrations of a running watch."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        self._loaded = loaded
        self._platform = platform
        base = loaded.settings.console.url.rstrip("/")

        def link(errand: Errand) -> str:
            return f"{base}/incidents/{errand.number}" if base and errand.number else ""

        finder = JournalReader(loaded.data_dir, pass_over_corrupt=True)
        minutes = Minutes(Ledger(platform.database, platform.journal, finder), platform.clock)
        made = integrations_of(loaded, platform.clock)
        self._outbox = Outbox(platform.database, minutes, platform.clock, made, link)

    @property
    def errands(self) -> Outbox | None:
        """For playbooks; None where there is no integration."""
        return self._outbox if self._outbox.standings() else None

    @property
    def runs(self) -> dict[str, Callable[[threading.Event], None]]:
        """A reader each."""
        return self._outbox.runs

    def acts(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """What the watch answers."""
        return {
            "integrations.status": lambda _: self.status(),
            "integrations.test": lambda asked: self.test(str(asked["integration"]), str(asked.get("by", ""))),
            "integrations.retry": lambda asked: self.retry(str(asked["integration"]), str(asked.get("by", ""))),
        }

    def status(self) -> list[Standing]:
        return [*self._outbox.standings(), *_off(self._loaded)]

    def test(self, name: str, by: str) -> Tried:
        """Have it carry a marked errand, and record that somebody did."""
        tried = self._outbox.test(name)
        self._note(name, by, "success" if tried.taken else "failure", tried.said)
        return tried

    def retry(self, name: str, by: str) -> dict[str, int]:
        """Send again what lies aside."""
        many = self._outbox.retry(name)
        self._note(name, by, "success", f"{many} that lay aside are sent again")
        return {"again": many}

    def _note(self, name: str, by: str, outcome: str, said: str) -> None:
        body = {"integration": name, "said": said}
        kind, target = "respond.integration.tested", f"integration:{name}"
        now = self._platform.clock.now()
        self._platform.journal.record(new_event(now, kind, actor=by, target=target, outcome=outcome, body=body))


def try_integration(loaded: Loaded, name: str) -> Tried:
    """Have one carry a marked errand, while no watch runs. Raises `NotFound`, `Misconfigured`."""
    clock = SystemClock()
    made = integrations_of(loaded, clock)
    if name not in made:
        there = ", ".join(made) or "none"
        raise NotFound(f"there is no integration {name!a} that is on", hint=f"the settings have: {there}")
    return try_out(name, made[name][1], clock)


def at_rest(loaded: Loaded) -> list[Standing]:
    """How they stood when somebody last sent, while no watch runs. Raises `Unavailable`."""
    counts: dict[str, dict[str, int]] = {}
    if is_there(loaded.data_dir):
        database = database_of(loaded)
        try:
            counts = counted(database)
        finally:
            database.close()
    return [
        Standing(
            name=name,
            type=one.type,
            state="stopped" if one.enabled else "off",
            sent=counts.get(name, {}).get("sent", 0),
            waiting=counts.get(name, {}).get("due", 0) + counts.get(name, {}).get("sending", 0),
            unverified=counts.get(name, {}).get("unverified", 0),
            aside=counts.get(name, {}).get("dead", 0),
        )
        for name, one in loaded.settings.respond.integrations.items()
    ]


def _off(loaded: Loaded) -> list[Standing]:
    named = loaded.settings.respond.integrations
    return [Standing(name=name, type=one.type, state="off") for name, one in named.items() if not one.enabled]
