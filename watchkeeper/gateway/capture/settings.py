"""The sections `[capture]` for all servers and `[servers.NAME.capture]` for what differs with one of them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured

METADATA, REDACTED, FULL = "metadata", "redacted", "full"
MODES = (METADATA, REDACTED, FULL)
CLASSES = ("arguments", "results", "content", "messages", "definitions")
"""Classes of text. Claims are names, and have no size."""
MOST_BYTES = 1_048_576
_Size = Annotated[int, Meta(ge=64, le=MOST_BYTES)]


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[capture]`: what of others' words an event keeps; a mode is `metadata`, `redacted` or `full`, never secrets."""

    arguments: Annotated[str, Meta(description="What clients send with a request: parameters and answers.")] = REDACTED
    results: Annotated[str, Meta(description="What servers answer: results of tools, and errors.")] = REDACTED
    content: Annotated[str, Meta(description="What servers hand out as prompts and resources.")] = REDACTED
    messages: Annotated[str, Meta(description="What servers say unasked: notifications and their own requests.")] = (
        REDACTED
    )
    definitions: Annotated[
        str, Meta(description="What servers list: tools, prompts, resources. Pins keep them whole in any case.")
    ] = REDACTED
    claims: Annotated[
        str, Meta(description="What a client says it is and which version it asks for; `metadata` drops both.")
    ] = REDACTED
    personal: Annotated[
        str,
        Meta(
            description="Personal data that was found: `redacted` masks it, `full` keeps it, `metadata` drops the "
            "whole text; empty for the text's own mode, where `full` keeps it."
        ),
    ] = ""
    secrets: Annotated[
        str, Meta(description="A secret that was found: `redacted` masks it, `metadata` drops the whole text.")
    ] = REDACTED
    look_for_personal: Annotated[
        bool, Meta(description="Look for personal data in everything that is kept, also where no policy asks for it.")
    ] = False
    bytes: Annotated[
        int,
        Meta(description="Most bytes of a redacted text in which something was found.", ge=64, le=MOST_BYTES),
    ] = 2048
    clean_bytes: Annotated[
        int, Meta(description="Most bytes of a redacted text in which nothing was found.", ge=64, le=MOST_BYTES)
    ] = 512
    full_bytes: Annotated[int, Meta(description="Most bytes of a text kept in full.", ge=64, le=MOST_BYTES)] = 65_536
    sizes: Annotated[
        dict[str, _Size],
        Meta(description="Most bytes of one class of text, in place of the three above: `{ results = 8192 }`."),
    ] = {}


class ToolCapture(msgspec.Struct, frozen=True, kw_only=True):
    """What differs with the tools of one pattern."""

    arguments: str = ""
    results: str = ""
    personal: str = ""
    secrets: str = ""
    bytes: Annotated[int, Meta(ge=0, le=MOST_BYTES)] = 0


class OwnCaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[servers.NAME.capture]`: what of `[capture]` differs with this server."""

    arguments: Annotated[str, Meta(description="`capture.arguments` for it; empty for the one of all.")] = ""
    results: Annotated[str, Meta(description="`capture.results` for it; empty for the one of all.")] = ""
    content: Annotated[str, Meta(description="`capture.content` for it; empty for the one of all.")] = ""
    messages: Annotated[str, Meta(description="`capture.messages` for it; empty for the one of all.")] = ""
    definitions: Annotated[str, Meta(description="`capture.definitions` for it; empty for the one of all.")] = ""
    claims: Annotated[str, Meta(description="`capture.claims` for it; empty for the one of all.")] = ""
    personal: Annotated[str, Meta(description="`capture.personal` for it; empty for the one of all.")] = ""
    secrets: Annotated[str, Meta(description="`capture.secrets` for it; empty for the one of all.")] = ""
    sizes: Annotated[dict[str, _Size], Meta(description="`capture.sizes` for it, laid over those of all.")] = {}
    tools: Annotated[
        dict[str, ToolCapture],
        Meta(
            description="What differs with single tools, by pattern, the first that fits counts: "
            '`{ "read_*" = { results = "metadata" } }` (arguments, results, personal, secrets, bytes).'
        ),
    ] = {}


def check_capture(where: str, settings: CaptureSettings | OwnCaptureSettings) -> None:
    """Raises `Misconfigured` when a word is unknown, or secrets are to be kept."""
    for name in (*CLASSES, "claims", "personal"):
        _check_mode(f"{where}.{name}", getattr(settings, name))
    _check_secrets(where, settings.secrets)
    for name in settings.sizes:
        if name not in CLASSES:
            raise Misconfigured(f"{where}.sizes: there is no class {name!r}", hint=f"known: {', '.join(CLASSES)}")
    if isinstance(settings, OwnCaptureSettings):
        for pattern, tool in settings.tools.items():
            for name in ("arguments", "results", "personal"):
                _check_mode(f"{where}.tools.{pattern}.{name}", getattr(tool, name))
            _check_secrets(f"{where}.tools.{pattern}", tool.secrets)


def _check_mode(where: str, mode: str) -> None:
    if mode and mode not in MODES:
        raise Misconfigured(f"{where}: {mode!r} is unknown", hint=f"choose {', '.join(MODES)}")


def _check_secrets(where: str, mode: str) -> None:
    if mode and mode not in (METADATA, REDACTED):
        raise Misconfigured(
            f"{where}.secrets: {mode!r} cannot be", hint="secrets are never kept: choose redacted or metadata"
        )
