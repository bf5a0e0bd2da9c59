"""What each member speaks, and so which era its endpoint serves.

A client caches the era of an origin, and eras are never translated (docs/decisions/0007). So: an era that all members
speak is served; one that some member lacks is refused, naming the versions that all have, as long as there is another
era that all may speak. Where no era is common to all, each is served with those who speak it, and every merged answer
says who is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from watchkeeper.gateway.aggregate.asking import Said
from watchkeeper.gateway.aggregate.model import METHOD_NOT_FOUND, Member
from watchkeeper.protocol.eras import LEGACY, MODERN, SUPPORTED, Era
from watchkeeper.protocol.errors import UNSUPPORTED_VERSION

FRESH_SECONDS = 300.0
"""How long it is believed that a member speaks an era, or does not."""
PAUSE_SECONDS = 5.0
"""Between two questions to a member that did not answer the first."""
_MODERN_ONLY_CODES = frozenset({-32020, -32021})
"""Errors that no older server knows."""


class Speech(msgspec.Struct):
    """One member's, as far as it is known; None where it is not."""

    modern: bool | None = None
    legacy: bool | None = None
    modern_versions: tuple[str, ...] = MODERN
    ask_after: float = 0.0
    is_new: bool = True
    """It was never asked."""


class Standing:
    """All members of one endpoint."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._speech = {member.name: Speech() for member in members}

    def to_ask(self, now: float) -> list[Member]:
        """Members to be asked whether they speak the modern era, before a modern request is served."""
        return [member for member in self._members if now >= self._speech[member.name].ask_after]

    def is_new(self, member: Member) -> bool:
        """Whether it was never asked, so that a request has to wait for the answer."""
        return self._speech[member.name].is_new

    def lacking(self, era: Era) -> list[Member]:
        """Members known not to speak it."""
        return [member for member in self._members if self._speaks(member, era) is False]

    def is_refused(self, era: Era) -> bool:
        """Whether a request of this era is answered with the versions of the other one."""
        other: Era = "legacy" if era == "modern" else "modern"
        return bool(self.lacking(era)) and not self.lacking(other)

    @property
    def versions(self) -> tuple[str, ...]:
        """Those that every member may speak; where there is none, those that some member may (A2)."""
        spoken = [self._spoken(member) for member in self._members]
        common = tuple(version for version in SUPPORTED if all(version in some for some in spoken))
        return common or tuple(version for version in SUPPORTED if any(version in some for some in spoken))

    def learn_discovered(self, said: Said, now: float) -> None:
        """A member's answer to `server/discover`, or to any other modern request that it refused as a whole."""
        speech = self._speech[said.member.name]
        speech.is_new = False
        versions = _versions_in(said)
        if versions is not None:
            speech.modern = any(version in MODERN for version in versions)
            speech.modern_versions = tuple(version for version in MODERN if version in versions) or MODERN
        elif said.code in _MODERN_ONLY_CODES:
            speech.modern = True
        elif _is_outage(said):
            speech.ask_after = now + PAUSE_SECONDS
            return
        else:
            speech.modern = False
        speech.ask_after = now + FRESH_SECONDS

    def learn_initialized(self, said: Said) -> None:
        """A member's answer to `initialize`."""
        speech = self._speech[said.member.name]
        versions = _versions_in(said)
        if said.result:
            speech.legacy = True
        elif (
            versions is not None and not any(version in LEGACY for version in versions)
        ) or said.code == METHOD_NOT_FOUND:
            speech.legacy = False

    def _speaks(self, member: Member, era: Era) -> bool | None:
        speech = self._speech[member.name]
        return speech.modern if era == "modern" else speech.legacy

    def _spoken(self, member: Member) -> tuple[str, ...]:
        speech = self._speech[member.name]
        modern = () if speech.modern is False else speech.modern_versions
        return modern if speech.legacy is False else (*modern, *LEGACY)


def _is_outage(said: Said) -> bool:
    """No answer of the server: nothing that tells its era."""
    return said.status >= 500 or said.status in (401, 403, 429) or said.code > 0


def _versions_in(said: Said) -> list[str] | None:
    """The versions that an answer names; None when it names none."""
    if said.result:
        return _texts(said.result, "supportedVersions")
    if said.code != UNSUPPORTED_VERSION or said.answer is None:
        return None
    data = msgspec.json.decode(said.answer.error, type=dict[str, msgspec.Raw]).get("data")
    return (_texts(data, "supported") if data is not None else None) or None


def _texts(raw: bytes | msgspec.Raw, member: str) -> list[str] | None:
    holder: Any = msgspec.json.decode(raw)
    value = holder.get(member) if isinstance(holder, dict) else None
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else None
