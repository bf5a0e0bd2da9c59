"""On-call in the watch: channels with their secrets, an ear always, a caller where somebody can be called."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from watchkeeper.app.administration import CONSOLE
from watchkeeper.app.integrations import integrations_of
from watchkeeper.app.oncall import ground_of, sources_of
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core import control
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured, NotFound, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.files import socket_path
from watchkeeper.core.ids import observed_id
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events import Severity
from watchkeeper.events.journal.reading.telling import telling_reader
from watchkeeper.respond.errands import Verb
from watchkeeper.respond.integrations.interface import Integration
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.oncall.answering import Answering
from watchkeeper.respond.oncall.book import OncallBook
from watchkeeper.respond.oncall.channels import Carried, Channels, Hook, HookPager
from watchkeeper.respond.oncall.delivery import Delivery
from watchkeeper.respond.oncall.handover import Handovers
from watchkeeper.respond.oncall.paging import Paging
from watchkeeper.respond.oncall.ports import Answer, Message
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.service import Caller, Ear
from watchkeeper.respond.webhooks.signing import keys_of

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform

_PATIENCE = 2.0


def allowing(fetch: FetchSettings, urls: Sequence[str]) -> FetchSettings:
    """The same, and these places too: they are the operator's choice, also on a private network."""
    places = []
    for url in urls:
        target = parse_target(url)
        host = f"[{target.host}]" if ":" in target.host else target.host
        places.append(f"{host}:{target.port}")
    return msgspec.structs.replace(fetch, allow_hosts=(*fetch.allow_hosts, *places))


def check_oncall(loaded: Loaded) -> None:
    """The plan and the channels could be used. Raises `Misconfigured`."""
    plan_of(loaded.settings.respond.oncall)
    _hooks(loaded)
    _carriers(loaded, SystemClock())


def _carriers(loaded: Loaded, clock: Clock) -> tuple[dict[str, str], dict[str, Integration]]:
    """Channel → integration, and those integrations. Raises `Misconfigured`."""
    channels = loaded.settings.respond.oncall.channels
    names = {name: one.integration for name, one in channels.items() if one.integration}
    if not names:
        return {}, {}
    made = {name: integration for name, (_, integration) in integrations_of(loaded, clock).items()}
    for channel, name in names.items():
        where = f"respond.oncall.channels.{channel}.integration"
        if name not in made:
            raise Misconfigured(f"{where}: there is no integration {name!r}", hint="see [respond.integrations.NAME]")
        if not made[name].verbs & {Verb.TRIGGER, Verb.TELL}:
            raise Misconfigured(f"{where}: {name} neither pages nor tells", hint="name a pager, a chat or a mail")
    return names, {name: made[name] for name in names.values()}


def _hooks(loaded: Loaded) -> tuple[dict[str, Hook], Fetcher]:
    reader, hooks = SecretReader(environment()), {}
    channels = loaded.settings.respond.oncall.channels
    for name, one in channels.items():
        where = f"respond.oncall.channels.{name}"
        if bool(one.url) == bool(one.integration):
            hint = "write where a page is posted to, or the integration that carries it"
            raise Misconfigured(f"{where}: it needs either a url or an integration", hint=hint)
        if one.integration:
            continue
        secret = reader.read(f"{where}.secret", one.secret)
        keys_of(f"{where}.secret", secret)
        hooks[name] = Hook(one.url, secret)
        try:
            Fetcher(allowing(loaded.settings.fetch, [one.url])).check(one.url)
        except FetchRefused as error:
            raise Misconfigured(f"{where}.url: {error.reason}", hint=error.hint) from error
    return hooks, Fetcher(allowing(loaded.settings.fetch, [one.url for one in hooks.values()]))


def channels_of(loaded: Loaded, clock: Clock) -> Channels:
    """Every channel of the settings, with its secret. Raises `Misconfigured`."""
    hooks, fetcher = _hooks(loaded)
    posted = HookPager(hooks, fetcher, clock, lambda: console_of(loaded))
    names, made = _carriers(loaded, clock)
    carried = Carried(names, made, lambda: console_of(loaded))
    return Channels({**dict.fromkeys(hooks, posted), **dict.fromkeys(names, carried)})


def call_to_test(loaded: Loaded, person: str = "") -> dict[str, dict[str, str]]:
    """Call everybody, or one person, saying that it is a test: person → channel → why not; empty where it was taken.

    A page that another system opened for it is closed at once. Raises `Misconfigured`, `NotFound`.
    """
    clock, plan = SystemClock(), plan_of(loaded.settings.respond.oncall)
    people = {name: one for name, one in plan.people.items() if person in ("", name)}
    if not people:
        if not plan.people:
            raise NotFound("the settings name nobody on call", hint="see docs/guides/on-call.md for a first rota")
        known = ", ".join(plan.people)
        raise NotFound(f"nobody on call is {person[:80]!a}", hint=f"[respond.oncall.people] has: {known}")
    channels = channels_of(loaded, clock)
    return {name: {way: _try(channels, way, name, clock.now()) for way in one.channels} for name, one in people.items()}


def _try(channels: Channels, way: str, person: str, now: int) -> str:
    title = "This is a test: nothing happened"
    message = Message(observed_id(), person, int(Severity.LOW), title, (), "", 0, now, is_test=True)
    try:
        channels.send(way, message)
        channels.answer(way, Answer(message.id, "closed", "", title, message.severity, (), "", now))
    except WatchkeeperError as error:
        return error.reason
    return ""


class OncallRuns:
    """What runs in the watch: an ear always, a caller where somebody can be called."""

    def __init__(self, loaded: Loaded, platform: Platform) -> None:
        plan = plan_of(loaded.settings.respond.oncall)
        reader = telling_reader(loaded.data_dir, "oncall", platform.journal.record, platform.clock)
        ledger = Ledger(platform.database, platform.journal, reader)
        on = ground_of(platform, ledger)
        self._book = OncallBook(platform.database, ledger, platform.clock, plan)
        news = threading.Event()
        self.runs = {"oncall": Ear(self._book, reader, news).run}
        if plan.is_on:
            pager = channels_of(loaded, platform.clock)
            handovers = Handovers(on, plan, sources_of(platform, ledger))
            caller = Caller(Paging(on, plan), Delivery(on, pager), handovers, Answering(on, pager), news)
            self.runs |= {"pages": caller.run}

    def cursor(self) -> dict[str, int]:
        """How far it has come."""
        return self._book.cursor()


def console_of(loaded: Loaded) -> str:
    """Where the console is; empty when that is not known."""
    if loaded.settings.console.url:
        return loaded.settings.console.url.rstrip("/")
    try:
        return str(control.ask(socket_path(loaded.data_dir, CONSOLE), "status", timeout=_PATIENCE)["url"])
    except WatchkeeperError:
        return ""  # the page then has no link; that somebody is called matters more
