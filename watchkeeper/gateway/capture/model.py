"""What holds for a route: of each class of text the mode, the size, and what follows from what was found in it. Pure.

Worked out once per route, and once per tool where tools differ; on the way of a call it is a look into a dictionary.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

import msgspec

from watchkeeper.gateway.capture.settings import (
    CLASSES,
    FULL,
    METADATA,
    REDACTED,
    CaptureSettings,
    OwnCaptureSettings,
    ToolCapture,
)
from watchkeeper.inspection.model import PERSONAL, SECRET, UNSHOWN
from watchkeeper.registry.settings import TEXT_BYTES

_MOST_TOOLS = 4096
_CONTENT = frozenset({"prompts/get", "resources/read"})
_SECRETS = frozenset({SECRET})


class Keep(NamedTuple):
    """What is kept of a text of one class."""

    mode: str = REDACTED
    bytes: int = 2048
    """At most, where something was found."""
    clean: int = 512
    """At most, where nothing was."""
    masks: frozenset[str] = UNSHOWN
    """Labels of findings that are masked; secrets always are."""
    drops: frozenset[str] = frozenset()
    """Labels of findings for which the whole text is dropped."""

    def told(self) -> str:
        """In words."""
        if self.mode == METADATA:
            return METADATA
        size = f"{self.clean} bytes" if self.clean == self.bytes else f"{self.clean} to {self.bytes} bytes"
        dropped = " or ".join(_WORDS[label] for label in sorted(self.drops))
        return f"{self.mode}, {size}" + (f", nothing where {dropped} was found" if dropped else "")


_WORDS = {PERSONAL: "personal data", SECRET: "a secret"}


class Spoken(NamedTuple):
    """The two sides of a call."""

    arguments: Keep
    results: Keep


class Capture:
    """Of one route. Read by one event loop's thread."""

    def __init__(self, settings: CaptureSettings | None = None, own: OwnCaptureSettings | None = None) -> None:
        self._settings = laid_over(settings or CaptureSettings(), own)
        self._tools = dict(own.tools) if own is not None else {}
        self.arguments, self.results, self.content, self.messages, self.definitions = (
            keep_of(self._settings, name) for name in CLASSES
        )
        self.keeps_claims = self._settings.claims != METADATA
        self._call = Spoken(self.arguments, self.results)
        self._of_content = Spoken(self.arguments, self.content)
        self._known: dict[str, Spoken] = {}

    def of(self, method: str, name: str) -> Spoken:
        """What is kept of a request of this method, and of its answer."""
        if method in _CONTENT:
            return self._of_content
        if not self._tools or method != "tools/call":
            return self._call
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _MOST_TOOLS:  # a client can make up names
                self._known.clear()
            known = self._known[name] = self._of_tool(name)
        return known

    def _of_tool(self, name: str) -> Spoken:
        for pattern, tool in self._tools.items():
            if fnmatchcase(name, pattern):
                return _spoken(self._settings, tool)
        return self._call

    def told(self) -> dict[str, str]:
        """Class → what is kept, in words; tools that differ as `tools.PATTERN.arguments`."""
        rows = {name: getattr(self, name).told() for name in CLASSES}
        rows["claims"] = "kept" if self.keeps_claims else METADATA
        for pattern, tool in self._tools.items():
            spoken = _spoken(self._settings, tool)
            rows |= {f"tools.{pattern}.{side}": getattr(spoken, side).told() for side in Spoken._fields}
        return rows

    def full(self) -> list[str]:
        """Of which classes more is kept than what is redacted, sorted."""
        return sorted(name for name, said in self.told().items() if said.startswith(FULL))


def laid_over(settings: CaptureSettings, own: OwnCaptureSettings | None) -> CaptureSettings:
    """The settings of all with what differs with one server."""
    if own is None:
        return settings
    differs = {name: value for name in (*CLASSES, "claims", "personal", "secrets") if (value := getattr(own, name))}
    return msgspec.structs.replace(settings, **differs, sizes={**settings.sizes, **own.sizes})


def keep_of(settings: CaptureSettings, name: str) -> Keep:
    """What is kept of a class of text."""
    mode = getattr(settings, name)
    size = settings.sizes.get(name) or (TEXT_BYTES if name == "definitions" and mode != FULL else 0)
    most = size or (settings.full_bytes if mode == FULL else settings.bytes)
    clean = most if mode == FULL else min(most, size or settings.clean_bytes)
    personal = settings.personal or mode
    drops = {SECRET} if settings.secrets == METADATA else set()
    if personal == METADATA:
        drops.add(PERSONAL)
    return Keep(mode, most, clean, _SECRETS if personal == FULL else UNSHOWN, frozenset(drops))


def _spoken(settings: CaptureSettings, tool: ToolCapture) -> Spoken:
    differs = {
        name: value for name in ("arguments", "results", "personal", "secrets") if (value := getattr(tool, name))
    }
    sizes = settings.sizes | ({"arguments": tool.bytes, "results": tool.bytes} if tool.bytes else {})
    own = msgspec.structs.replace(settings, **differs, sizes=sizes)
    return Spoken(keep_of(own, "arguments"), keep_of(own, "results"))


DEFAULT = Capture()
"""What holds where nothing is said."""
