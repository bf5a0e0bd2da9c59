"""Webhooks wired: their secrets read, the outbox for the watch, and the door for the console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from watchkeeper.app.administration import CONSOLE
from watchkeeper.app.inbox import InboxView
from watchkeeper.app.replying import Replying
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core import control
from watchkeeper.core.errors import Denied, Misconfigured, Unavailable, WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.files import socket_path
from watchkeeper.core.secrets import SecretReader
from watchkeeper.gateway.approvals.channels import check_webhooks
from watchkeeper.operators import Acting
from watchkeeper.respond.webhooks import Hearing, Hook, Outbox
from watchkeeper.respond.webhooks.model import Told
from watchkeeper.respond.webhooks.outbox import Wires
from watchkeeper.respond.webhooks.signing import keys_of
from watchkeeper.web.inbox import Held

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


def hooks_of(loaded: Loaded) -> list[Hook]:
    """Every webhook of the settings, checked. Raises `Misconfigured`."""
    webhooks, hooks = loaded.settings.approvals.webhooks, []
    check_webhooks(webhooks)
    reader = SecretReader(environment())
    fetcher = Fetcher(loaded.settings.fetch) if webhooks else None
    for name, one in webhooks.items():
        where = f"approvals.webhooks.{name}"
        secret = reader.read(f"{where}.secret", one.secret)
        keys_of(f"{where}.secret", secret)
        try:
            if fetcher is not None:
                fetcher.check(one.url)
        except FetchRefused as error:
            raise Misconfigured(f"{where}.url: {error.reason}", hint=error.hint) from error
        hooks.append(Hook(name, one.url, secret, one.policies, one.roles, one.role, one.arguments))
    return hooks


def outbox_of(loaded: Loaded, platform: Platform) -> Outbox | None:
    """The outbox; None where there is nobody to tell."""
    hooks = hooks_of(loaded)
    if not hooks:
        return None

    def console() -> str:
        if loaded.settings.console.url:
            return loaded.settings.console.url.rstrip("/")
        try:
            return str(control.ask(socket_path(loaded.data_dir, CONSOLE), "status", timeout=2.0)["url"])
        except WatchkeeperError:
            return ""  # the notice then has no link; that somebody is asked matters more

    fetcher = Fetcher(loaded.settings.fetch)
    on = Wires(platform.database, platform.journal, platform.clock, platform.approvals)
    return Outbox(on, hooks, fetcher, console)


class HookDoor:
    """Where other systems send decisions to, as the console's port wants it."""

    def __init__(
        self, platform: Platform, inbox: InboxView, hooks: list[Hook], replying: Replying | None = None
    ) -> None:
        self._on = platform
        self._replying = replying
        self._inbox = inbox
        self._hearing = Hearing(platform.database, platform.journal, platform.clock, hooks)

    def reply(self, name: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Take what an integration sends back."""
        if self._replying is None:
            raise Denied("no integration sends anything here", rule="respond.integrations", hint="see its settings")
        return self._replying.reply(name, headers, body)

    def hear(self, name: str, headers: Mapping[str, str], body: bytes) -> Held:
        """Decide as a message says, in the name of its webhook."""
        hook, told = self._hearing.hear(name, headers, body)
        try:
            held = self._decide(hook, told)
        except Unavailable:
            self._hearing.release(name, headers)  # the other side sends it again
            raise
        except WatchkeeperError:
            self._hearing.done(name, headers)
            raise
        self._hearing.done(name, headers)
        return held

    def _decide(self, hook: Hook, told: Told) -> Held:
        if not hook.role or not hook.serves(self._on.approvals.show(told.approval)):
            raise Denied("this webhook does not decide this", rule="approvals.webhooks", hint="see its settings")
        acting = Acting(hook.actor, hook.role, None, "webhook")
        return self._inbox.decide(acting, told.approval, told.choice, told.reason, told.by)
