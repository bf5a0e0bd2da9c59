"""The registry's sections: `[pins]` for all servers, `[servers.NAME.pins]` for what differs with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured

_COSMETIC = ("hold", "pass")
_DOUBT = ("deny", "allow")


class PinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[pins]`."""

    cosmetic: Annotated[
        str,
        Meta(
            description="What becomes of a change that no model can act on (white space, a title's letter case): "
            "`hold` it like any other, or let it `pass` without a person."
        ),
    ] = "hold"
    history: Annotated[
        int, Meta(description="Definitions kept of each name; beyond, the oldest are forgotten and counted.", ge=4)
    ] = 50
    recheck_seconds: Annotated[
        float,
        Meta(description="A call of a server whose tools were not listed for so long has them listed; 0 never.", ge=0),
    ] = 600.0
    recheck_calls: Annotated[
        int, Meta(description="After so many calls of a server its tools are listed again; 0 never.", ge=0)
    ] = 25
    doubt: Annotated[
        str,
        Meta(
            description="A call after the server said that its tools changed, when they cannot be listed: "
            "`deny`, or `allow`."
        ),
    ] = "deny"
    canary_seconds: Annotated[
        float,
        Meta(
            description="How often, about, a server that is in use is looked at under another name, "
            "to find what it shows to some clients only; 0 never.",
            ge=0,
        ),
    ] = 3600.0


class OwnPinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[servers.NAME.pins]`."""

    cosmetic: Annotated[str, Meta(description="`pins.cosmetic` for this server; empty for the one of all.")] = ""
    recheck_seconds: Annotated[
        float, Meta(description="`pins.recheck_seconds` for it; 0 for the one of all.", ge=0)
    ] = 0.0
    doubt: Annotated[str, Meta(description="`pins.doubt` for it; empty for the one of all.")] = ""
    canary_seconds: Annotated[float, Meta(description="`pins.canary_seconds` for it; 0 for the one of all.", ge=0)] = (
        0.0
    )


TEXT_BYTES = 16_384
"""Bytes of text that an event carries of a definition or a diff; the whole is in the control state."""


class PinTerms:
    """What holds for each server."""

    def __init__(
        self,
        settings: PinSettings | None = None,
        own: Mapping[str, OwnPinSettings] | None = None,
        texts: Mapping[str, int] | None = None,
    ) -> None:
        """`texts`: server → bytes of text that its events carry of a definition, 0 for none; without a name, those of
        all others."""
        self._all = settings or PinSettings()
        self._texts = texts or {}
        self._own = {
            name: msgspec.structs.replace(
                self._all, **{key: value for key, value in msgspec.structs.asdict(one).items() if value}
            )
            for name, one in (own or {}).items()
        }

    def of(self, server: str) -> PinSettings:
        """The terms of one server."""
        return self._own.get(server, self._all)

    def text_bytes(self, server: str) -> int:
        """Bytes of text that events about a server carry of a definition or a diff."""
        return self._texts.get(server, self._texts.get("", TEXT_BYTES))


def check_pins(where: str, settings: PinSettings | OwnPinSettings) -> None:
    """Raises `Misconfigured` when a word is unknown."""
    for field, value, words in (("cosmetic", settings.cosmetic, _COSMETIC), ("doubt", settings.doubt, _DOUBT)):
        if value and value not in words:
            raise Misconfigured(f"{where}.{field}: {value!r} is unknown", hint=f"choose {' or '.join(words)}")
