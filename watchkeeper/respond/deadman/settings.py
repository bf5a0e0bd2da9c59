"""`[deadman]`: what is listened for, who is paged outside, and where our own heartbeat goes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class DeadmanPage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman.pages.NAME]`."""

    url: Annotated[
        str,
        Meta(description="Where it is told: `https://…` for a signed POST, `smtp://HOST:PORT` for a mail."),
    ]
    secret: Annotated[
        str,
        Meta(description="By reference: what signs a POST (`whsec_…`), or the password of `user` for mail."),
    ] = ""
    user: Annotated[str, Meta(description="Mail: who logs in; empty for nobody.")] = ""
    sender: Annotated[str, Meta(description="Mail: the sender's address.")] = ""
    to: Annotated[tuple[str, ...], Meta(description="Mail: the receivers' addresses.")] = ()
    starttls: Annotated[bool, Meta(description="Mail: whether the connection must be encrypted.")] = True


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman.expected.RULE]`."""

    within_seconds: Annotated[int, Meta(description="The rule raises an alert at least once in so long.", ge=60)]


class Instance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman.listen.instances.NAME]`."""

    secret: Annotated[str, Meta(description="By reference: the `deadman.ping_secret` of that installation.")]


class ListenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman.listen]`: for `watchkeeper deadman listen`, on another host."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port; 0 for any.", ge=0, le=65535)] = 7390
    silent_seconds: Annotated[
        float, Meta(description="Without a ping for so long, an installation is silent and is paged for.", gt=0, le=60)
    ] = 40.0
    tls_certificate: Annotated[str, Meta(description="File with the certificate (PEM), for https.")] = ""
    tls_key: Annotated[str, Meta(description="File with its key (PEM).")] = ""
    instances: Annotated[
        dict[str, Instance],
        Meta(description="Whose pings are expected, as `[deadman.listen.instances.NAME]`."),
    ] = {}


class DeadmanSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deadman]`"""

    enabled: Annotated[
        bool, Meta(description="Whether `up` starts the switch; it does once there are `pages` or a `ping_url`.")
    ] = True
    name: Annotated[str, Meta(description="What this installation is called in pages and pings.")] = "watchkeeper"
    pages: Annotated[
        dict[str, DeadmanPage], Meta(description="Who is told, as `[deadman.pages.NAME]`: all of them.")
    ] = {}
    look_seconds: Annotated[float, Meta(description="How often everything is looked at.", gt=0, le=15)] = 2.0
    silent_seconds: Annotated[
        float,
        Meta(description="What is not heard for so long is silent: whoever is outside is paged.", gt=0, le=45),
    ] = 20.0
    recover_seconds: Annotated[
        float, Meta(description="What is heard again for so long, without a break, is back.", ge=0, le=600)
    ] = 10.0
    start_seconds: Annotated[
        float, Meta(description="What was not heard of yet may take so long to start.", ge=0, le=600)
    ] = 60.0
    sink_seconds: Annotated[
        float, Meta(description="A sink may hold its oldest event back for so long.", gt=0, le=3600)
    ] = 30.0
    lag_records: Annotated[int, Meta(description="Lake and detection may have so many records before them.", ge=1)] = (
        200_000
    )
    canary_seconds: Annotated[
        float,
        Meta(
            description="How often a heartbeat is sent through gateway, journal, rule, alert and response; 0: never.",
            ge=0,
            le=30,
        ),
    ] = 15.0
    expected: Annotated[
        dict[str, Expectation],
        Meta(description="Rules (by name) that are never silent for long, as `[deadman.expected.RULE]`."),
    ] = {}
    ping_url: Annotated[
        str, Meta(description="Where our own heartbeat goes: a `deadman listen` on another host, or a cron monitor.")
    ] = ""
    ping_secret: Annotated[str, Meta(description="What signs it (`whsec_…`), by reference; empty: unsigned.")] = ""
    ping_seconds: Annotated[float, Meta(description="How often.", gt=0, le=60)] = 10.0
    listen: Annotated[ListenSettings, Meta(description="For `watchkeeper deadman listen`, as `[deadman.listen]`.")] = (
        ListenSettings()
    )

    @property
    def is_on(self) -> bool:
        """Whether there is anybody to tell."""
        return self.enabled and bool(self.pages or self.ping_url)
