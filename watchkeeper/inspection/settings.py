"""`[egress]`: which hosts agents may name in what they send. `[inspection]`: what is judged, and what is let be."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.suppression import Suppression

_HOST = re.compile(r"[a-z0-9_*?\[\]:.-]+(?:/[0-9]{1,3})?")


class EgressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[egress]`: hosts in what agents send, as policies see them. Only a policy acts on it (packs/egress.cedar)."""

    block: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns of hosts (`*.drop.example` means `drop.example`, too) whose naming is the finding "
            "`destination_blocked`. At first: boxes that take in what anybody sends, and names that say what they are."
        ),
    ] = (
        *("*.webhook.site", "*.requestbin.*", "*.hookbin.com", "*.requestcatcher.com", "*.pipedream.net"),
        *("*.interact.sh", "*.oast.*", "*.oastify.com", "*.burpcollaborator.net", "*.dnslog.cn", "*.ceye.io"),
        *("*.canarytokens.*", "*.beeceptor.com", "*.transfer.sh", "*.file.io", "*.termbin.com", "*.bashupload.com"),
        *("*.paste.ee", "*.hastebin.com", "pastebin.com", "*.ngrok.io", "*.ngrok-free.app", "*.trycloudflare.com"),
        *("exfil.*", "*.exfil.*", "*exfil-*", "*-exfil*", "*exfiltrat*", "*malware*", "*phishing*", "*stealer*"),
        *("c2.*", "*.c2.*", "*-c2.*", "c2-*"),
    )
    allow: Annotated[
        tuple[str, ...],
        Meta(description="With any pattern here, naming a host that none of them matches is `destination_unlisted`."),
    ] = ()
    internal: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts of this machine and its networks (names, patterns, or networks such as `10.1.0.0/16`) "
            "that may be named; any other one is `destination_internal`."
        ),
    ] = ()


class InspectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[inspection]`."""

    judge: Annotated[
        str,
        Meta(
            description="What the local model judges: `definitions` that are new or changed; `all`, also results, "
            "messages and arguments in which the rules saw a hint, which takes a few milliseconds of each; or nothing: "
            "`off`."
        ),
    ] = "definitions"
    suppressions: Annotated[
        tuple[Suppression, ...],
        Meta(
            description="Findings in definitions that somebody answered for: tables of rule, server, name, reason, "
            "expires, by, and perhaps fingerprint. More are read from `watchkeeper-suppressions.toml` beside the "
            "settings."
        ),
    ] = ()


def check_inspection(settings: InspectionSettings) -> None:
    """Raises `Misconfigured` when a word is unknown."""
    if settings.judge not in ("off", "definitions", "all"):
        raise Misconfigured(f"inspection.judge: {settings.judge!r} is unknown", hint="choose off, definitions or all")


def check_egress(settings: EgressSettings) -> None:
    """Raises `Misconfigured` for a pattern that no host could match."""
    for name in ("block", "allow", "internal"):
        for pattern in getattr(settings, name):
            if not _HOST.fullmatch(pattern.lower()):
                raise Misconfigured(f"egress.{name}: {pattern!r} is no host", hint="write it like *.example.com")
