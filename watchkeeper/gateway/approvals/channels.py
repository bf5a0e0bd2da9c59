"""`[approvals.webhooks.NAME]`: other systems that are told what waits for a person, and in which people may decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.secrets import is_reference

ROLES = ("analyst", "responder", "admin")
"""Those that decide."""
_ROLES = "choose from analyst, responder, admin"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[approvals.webhooks.NAME]`."""

    url: Annotated[str, Meta(description="Where notices are posted; a private host has to be in `fetch.allow_hosts`.")]
    secret: Annotated[
        str,
        Meta(description="Reference to the secret that both sides sign with: `whsec_…` in base64, 24 to 64 bytes."),
    ]
    policies: Annotated[
        tuple[str, ...],
        Meta(description="Only what these policies ask for; `team.*` for all that begin so. Empty: what any asks for."),
    ] = ()
    roles: Annotated[
        tuple[str, ...], Meta(description="Only what asks for one of these roles. Empty: what asks for any.")
    ] = ()
    role: Annotated[
        str,
        Meta(description="Role in which decisions from there act, as one voice. Empty: it decides nothing."),
    ] = ""
    arguments: Annotated[
        bool, Meta(description="Send the call's parameters along, secrets taken out; else only a link to them.")
    ] = False


def check_webhooks(webhooks: Mapping[str, WebhookSettings]) -> None:
    """Raises `Misconfigured`, naming the section, when one cannot work."""
    for name, webhook in webhooks.items():
        where = f"approvals.webhooks.{name}"
        if not NAME.fullmatch(name):
            raise Misconfigured(f"{where}: a webhook's name has letters, digits, - _ .", hint="rename the section")
        try:
            parse_target(webhook.url)
        except FetchRefused as error:
            raise Misconfigured(f"{where}.url: {error.reason}", hint="write it as https://HOST/PATH") from error
        if not is_reference(webhook.secret):
            raise Misconfigured(f"{where}.secret: a secret is written by reference", hint='write "env:NAME"')
        for field, roles in (("roles", webhook.roles), ("role", (webhook.role,) if webhook.role else ())):
            if wrong := [role for role in roles if role not in ROLES]:
                raise Misconfigured(
                    f"{where}.{field}: there is no role {wrong[0]!a} that decides",
                    hint=f"choose from {', '.join(ROLES)}",
                )
