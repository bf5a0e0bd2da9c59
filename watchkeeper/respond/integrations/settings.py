"""`[respond.integrations.NAME]`: the systems that are told, paged and asked, one section each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import is_reference

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
Least = Literal["", "informational", "low", "medium", "high", "critical"]


class TicketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tracker keeps what. Paths are behind `url`; `{id}` is the ticket's, `{key}` our key for it."""

    search: Annotated[str, Meta(description="Path that finds a ticket by our key.")] = "?external_key={key}"
    create: Annotated[str, Meta(description="Path that a new ticket is posted to.")] = ""
    read: Annotated[str, Meta(description="Path of a ticket.")] = "/{id}"
    comment: Annotated[str, Meta(description="Path that a comment is posted to.")] = "/{id}/comments"
    change: Annotated[Literal["PATCH", "PUT", "POST"], Meta(description="Method that changes a ticket at `read`.")] = (
        "PATCH"
    )
    items: Annotated[
        str, Meta(description="Where the list of found tickets is in the answer, dotted; empty: the answer itself.")
    ] = "items"
    id: Annotated[str, Meta(description="Where a ticket's id is in it, dotted.")] = "id"
    key: Annotated[str, Meta(description="Where our key is in a ticket, dotted.")] = "external_key"
    title: Annotated[str, Meta(description="Where the title goes, dotted.")] = "title"
    text: Annotated[str, Meta(description="Where the text goes, dotted.")] = "description"
    severity: Annotated[str, Meta(description="Where the severity's word goes, dotted; empty: nowhere.")] = ""
    comment_text: Annotated[str, Meta(description="Where a comment's text goes, dotted.")] = "body"
    state: Annotated[str, Meta(description="Where the state is, dotted.")] = "status"
    closed: Annotated[str, Meta(description="The state of a closed ticket.")] = "closed"
    fixed: Annotated[
        dict[str, str], Meta(description="What each new ticket has beside that: dotted name → value.")
    ] = {}


class IntegrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[respond.integrations.NAME]`."""

    type: Annotated[
        str,
        Meta(
            description="The kind of system: `webhook`, `chat`, `mail`, `pager`, `ticket`, `git`, `tokens`, "
            "`secret_file`, or a plug-in's."
        ),
    ]
    enabled: Annotated[bool, Meta(description="Whether anything is sent; what waits for it is kept.")] = True
    notify: Annotated[
        Least,
        Meta(
            description="Told of every notification of this severity or more; empty: only when a playbook names it "
            "(webhook, chat, mail)."
        ),
    ] = ""
    url: Annotated[
        str, Meta(description="Where it is reached over HTTPS; a private host has to be in `fetch.allow_hosts`.")
    ] = ""
    address: Annotated[str, Meta(description="mail: HOST:PORT of the server that takes it.")] = ""
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="mail: TLS from a command on, from the first byte, or not at all (this machine only)."),
    ] = "starttls"
    sender: Annotated[str, Meta(description="mail: address that it comes from.")] = ""
    recipients: Annotated[tuple[str, ...], Meta(description="mail: addresses that it goes to.")] = ()
    username: Annotated[str, Meta(description="mail: who logs in; tokens: the client's id.")] = ""
    secret: Annotated[
        str,
        Meta(
            description="Reference to what we show or sign with: a webhook's `whsec_…`, a mail server's password, a "
            "pager's routing key, the client's secret at an authorization server."
        ),
    ] = ""
    authorization: Annotated[str, Meta(description="ticket: the header's value, by reference: `Bearer env:TOKEN`.")] = (
        ""
    )
    style: Annotated[
        Literal["", "slack", "mattermost", "teams", "pagerduty", "opsgenie"],
        Meta(description="chat: slack, mattermost or teams; pager: pagerduty or opsgenie."),
    ] = ""
    ticket: Annotated[TicketSettings, Meta(description="ticket: where the tracker keeps what.")] = TicketSettings()
    introspect_url: Annotated[str, Meta(description="tokens: where it is asked whether a token is active.")] = ""
    repository: Annotated[str, Meta(description="git: folder of the clone.")] = ""
    branch: Annotated[str, Meta(description="git: branch that a commit is taken back from.")] = "main"
    remote: Annotated[str, Meta(description="git: remote that the revert's branch is pushed to; empty: none.")] = ""
    path: Annotated[str, Meta(description="secret_file: the file that holds the secret.")] = ""
    tls_ca: Annotated[str, Meta(description="File of the authority that its certificate is from, instead of ours.")] = (
        ""
    )
    timeout_seconds: Annotated[float, Meta(description="An attempt takes no longer than.", gt=0, le=60)] = 10.0
    per_minute: Annotated[int, Meta(description="Sends no more than this; the rest waits.", ge=1)] = 60
    attempts: Annotated[
        int, Meta(description="Attempts after which it is put aside, and said so on the incident.", ge=1, le=100)
    ] = 12
    reply_secret: Annotated[
        str,
        Meta(description="Reference to the secret that its acknowledgements are signed with; empty: it may send none."),
    ] = ""
    options: Annotated[
        dict[str, str], Meta(description="A plug-in's own settings; secrets among them by reference.")
    ] = {}


def check_integrations(integrations: Mapping[str, IntegrationSettings]) -> None:
    """Raises `Misconfigured`, naming the section, for a name or a secret that cannot work."""
    for name, one in integrations.items():
        where = f"respond.integrations.{name}"
        if not NAME.fullmatch(name) or name == "console":
            raise Misconfigured(
                f"{where}: a name has lower-case letters, digits, - _, and is not console", hint="rename the section"
            )
        for field in ("secret", "authorization", "reply_secret"):
            text = getattr(one, field)
            if text and not is_reference(text):
                raise Misconfigured(f"{where}.{field}: a secret is written by reference", hint='write "env:NAME"')
