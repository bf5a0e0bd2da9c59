"""The `[intelligence]` section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.intelligence.model import Type

LIVES = {
    "ip": 30, "network": 90, "domain": 90, "url": 60, "email": 180, "hash": 730, "package": 0, "definition": 0,
    "server": 0,
}  # fmt: skip


class IntelligenceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of indicators, of their sources and of the past."""

    minimum_confidence: Annotated[
        int, Meta(description="An indicator below it (confidence times trust) raises nothing.", ge=0, le=100)
    ] = 30
    lives: Annotated[
        dict[str, int],
        Meta(
            description="Days after which an indicator ends by itself where its source says no end, by type; 0 for "
            "never. Types left out keep theirs: ip 30, network 90, domain 90, url 60, email 180, hash 730."
        ),
    ] = {}
    poll: Annotated[bool, Meta(description="Whether the watch asks the sources that have a URL.")] = True
    retro_days: Annotated[
        int, Meta(description="So many past days are searched when indicators arrive; 0 for none.", ge=0, le=3650)
    ] = 30
    max_megabytes: Annotated[int, Meta(description="Largest file or answer of a source.", ge=1, le=4096)] = 512
    timeout_seconds: Annotated[float, Meta(description="A source's answer takes no longer than.", gt=0)] = 120.0
    share_port: Annotated[
        int, Meta(description="Port on loopback of the TAXII 2.1 server; 0 for no server.", ge=0, le=65535)
    ] = 0
    share_token: Annotated[
        str, Meta(description="Bearer token of that server, by reference: `env:NAME` or `file:PATH`.")
    ] = ""
    share_name: Annotated[str, Meta(description="Under which name indicators are shared.", min_length=1)] = (
        "Watchkeeper"
    )
    share_tlp: Annotated[
        str, Meta(description="The strictest marking that is shared: `clear`, `green` or `amber`.")
    ] = "green"


def lives_of(settings: IntelligenceSettings) -> dict[Type, int]:
    """Days by type."""
    return {kind: settings.lives.get(kind.value, LIVES[kind.value]) for kind in Type}


def check_intelligence(settings: IntelligenceSettings) -> None:
    """Raises `Misconfigured` when the section cannot work."""
    unknown = sorted(set(settings.lives) - {kind.value for kind in Type})
    if unknown or any(days < 0 for days in settings.lives.values()):
        raise Misconfigured(
            f"intelligence.lives: {unknown[0] if unknown else 'a negative number'} is not understood",
            hint="write { ip = 30, domain = 90 }, in days, 0 for never",
        )
    if settings.share_tlp not in ("clear", "green", "amber"):
        raise Misconfigured(
            f"intelligence.share_tlp: {settings.share_tlp!r} is not shared", hint="clear, green or amber"
        )
    if settings.share_port and not settings.share_token:
        raise Misconfigured("intelligence.share_port: the server needs a token", hint='share_token = "env:NAME"')
