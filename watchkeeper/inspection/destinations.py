"""Hosts that a client names in what it sends, against the operator's lists: blocked, not listed, internal.

Found are hosts of addresses whose scheme fetches something (or `//`), values of members such as `host`, and of mail
addresses the part behind the `@`, which counts for `block` alone. Nothing is looked up: a public name that leads inside
is not known here. Looked for only where a policy asks for one of the findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import re2

from watchkeeper.inspection.demand import OnDemand
from watchkeeper.inspection.hosts import address_of, canonical, is_internal, is_network
from watchkeeper.inspection.model import Finding, Surface
from watchkeeper.inspection.settings import EgressSettings
from watchkeeper.inspection.views import readings

BLOCKED, UNLISTED, INTERNAL = "destination_blocked", "destination_unlisted", "destination_internal"
_NONE: tuple[Finding, ...] = ()
_SCHEME = rb"(?:https?|wss?|ftps?|sftp|gopher|dict|ldaps?|tftp|smb|rtsp|git|ssh|telnet)"
_URL = re2.compile(
    rb"(?i)(?:\b" + _SCHEME + rb":[/\\]{2}|[\"'=\s(][/\\]{2})(?:[^\s\"'<>/\\?#]{0,200}@)?"
    rb"(\[[0-9a-f:.%]{2,60}\]|[^\s\"'<>/\\?#@:,;)\]}\x60]{1,253})"
)
_MAIL = re2.compile(rb"(?i)[a-z0-9._%+-]{1,64}@((?:[a-z0-9-]{1,63}\.)+[a-z]{2,24})\b")
_NAMED = re2.compile(
    rb"(?i)\"(?:host|hostname|domain|server|endpoint|ip|ip_?address|address|url|uri|target|site)\"\s{0,4}:\s{0,4}\""
    rb"(\[[0-9a-f:.]{2,60}\]|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}|[a-z0-9][a-z0-9_.-]{0,252})(?::[0-9]{1,5})?[/?#\"]"
)
_ANY = re2.compile(
    rb"(?i)[/\\]{2}|@|\"(?:host|hostname|domain|server|endpoint|ip|ip_?address|address|url|uri|target|site)\""
)
"""What each of them contains: without it, none is looked for."""
_MOST = 64


class Destinations(OnDemand):
    """By one set of lists. Safe for many threads."""

    name: ClassVar[str] = "destinations"
    on_demand: ClassVar[frozenset[str]] = frozenset({BLOCKED, UNLISTED, INTERNAL})

    def __init__(self, settings: EgressSettings) -> None:
        self._block, self._allow = _any_of(settings.block), _any_of(settings.allow)
        self._internal = _any_of(settings.internal)
        self._networks = tuple(pattern for pattern in settings.internal if "/" in pattern)

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """At most one finding of each kind."""
        if surface is not Surface.ARGUMENTS:
            return _NONE
        found: dict[str, Finding] = {}
        for host, is_mail in hosts_in(data):
            for label in self._labels(host, is_mail=is_mail):
                rule = f"destinations.{label.partition('_')[2]}"
                found.setdefault(label, Finding(self.name, rule, label, 4, excerpt=ascii(host[:80])[1:-1]))
        return tuple(found.values())

    def _labels(self, host: str, *, is_mail: bool) -> Iterator[str]:
        if self._block is not None and self._block.fullmatch(host):
            yield BLOCKED
        if is_mail:
            return
        if self._allow is not None and not self._allow.fullmatch(host):
            yield UNLISTED
        if is_internal(host) and not self._may_be_reached(host):
            yield INTERNAL

    def _may_be_reached(self, host: str) -> bool:
        if self._internal is not None and self._internal.fullmatch(host):
            return True
        address = address_of(host)
        return any(is_network(network, address) for network in self._networks)


def hosts_in(data: bytes) -> Iterator[tuple[str, bool]]:
    """The canonical hosts that a text names, and whether each is a mail address's; a host may come twice."""
    seen: set[bytes] = set()
    for text in readings(data):
        if not _ANY.search(text):
            continue
        for match in _URL.finditer(text):
            host = match[1]
            if host in seen or len(seen) >= _MOST or not (b":" in match[0][: -len(host)] or b"." in host):
                continue  # without a scheme, `//name` is a comment
            seen.add(host)
            yield canonical(host.decode("utf-8", "replace")), False
        if b"@" in text:
            for match in _MAIL.finditer(text):
                yield match[1].decode().lower(), True
        for match in _NAMED.finditer(text):
            host = canonical(match[1].decode())
            if host == "localhost" or ":" in host or ("." in host and _is_whole(host)):
                yield host, False


def _is_whole(host: str) -> bool:
    """A name, or a number of four parts: `1.5` beside a key is a number."""
    return host.count(".") == 3 or address_of(host) is None


def _any_of(patterns: Sequence[str]) -> Any:
    """One pattern for all; `*.a.test` is `a.test`, too. None for none."""
    globs = [one.lower() for one in patterns if "/" not in one]
    globs += [one[2:] for one in globs if one.startswith("*.")]
    written = "|".join(re2.escape(one).replace(r"\*", ".*").replace(r"\?", ".") for one in globs)
    return re2.compile(f"(?:{written})") if globs else None
