"""What a tool can do, as labels that policies ask for: `reads_private`, `sends`, `executes`, … Labelled, not alarmed.

Derived from a definition's own words: the name, the first sentences of the description, the names of the arguments.
Annotations are claims of an untrusted server (MCP server/tools#data-types): they can only add to what is said here
(a tool that calls itself destructive, or not read-only), never take away. A server that lies in its words can still
leave a label out, so an operator's own labels (`gateway.flow`) come last. The rules are data, in
content/inspectors/capabilities.yaml. For the time when a definition is pinned, not for the time of a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import re2

from watchkeeper.core.content import content_folder
from watchkeeper.inspection.rules import Rule, load_rules, options, portable

LABELS = frozenset(
    {"reads_private", "reads_untrusted", "reads_secrets", "sends", "writes", "executes", "destroys", "pays", "admin"}
)
_LONGEST = 400
"""Characters of a description that are looked at: what a tool does is said first, what others do later."""
_SENTENCES = re.compile(r"(?<=[.!?。])\s|\n\s*\n")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_FRAMES = str.maketrans("[]<>{}!;", "        ")
_WEB = ("http:", "https:", "ftp:", "feed:")


class _Shown(msgspec.Struct):
    name: str = ""
    title: Any = ""
    description: Any = ""
    inputSchema: Any = None
    annotations: Any = None


_shown = msgspec.json.Decoder(_Shown).decode


class Capabilities:
    """The rules, ready to be asked. Safe for many threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises `Misconfigured` when the rules cannot be read."""
        self.rules: tuple[Rule, ...] = load_rules(folder or content_folder("inspectors"), "capabilities")
        found = [(rule, re2.compile(portable(rule.pattern), options=options(rule.case))) for rule in self.rules]
        self._adds = [(rule.label, pattern) for rule, pattern in found if not rule.label.startswith("-")]
        self._takes = [(rule.label[1:], pattern) for rule, pattern in found if rule.label.startswith("-")]

    def of_tool(self, canonical: bytes) -> tuple[str, ...]:
        """The labels of a pinned definition, sorted; of one that cannot be read, those of the most dangerous tool."""
        try:
            return self.of_text(subject_of(_shown(canonical)))
        except msgspec.MsgspecError:
            return tuple(sorted(LABELS))

    def of_name(self, name: str, arguments: Iterable[str] = ()) -> tuple[str, ...]:
        """The labels of a tool of which nothing is known but its name and what it is called with."""
        return self.of_text(subject_of(_Shown(name, inputSchema={"properties": dict.fromkeys(arguments)})))

    @staticmethod
    def of_resource(uri: str) -> tuple[str, ...]:
        """The labels of a resource: the web is anybody's, everything else is somebody's own."""
        return ("reads_untrusted",) if uri.lower().startswith(_WEB) else ("reads_private",)

    def of_text(self, subject: bytes) -> tuple[str, ...]:
        """The labels of a definition as `subject_of` writes it."""
        found = {label for label, pattern in self._adds if pattern.search(subject)}
        if found:
            found -= {label for label, pattern in self._takes if label in found and pattern.search(subject)}
        return tuple(sorted(found))


def subject_of(shown: _Shown) -> bytes:
    """`[words of the name] <first sentences> {arguments} !marks;`, in lower case."""
    said = shown.description if isinstance(shown.description, str) else ""
    if isinstance(shown.title, str) and len(shown.title) < 80 and not said:
        said = shown.title
    lead = " ".join(_SENTENCES.split(said.strip()[:_LONGEST])[:2])
    properties = shown.inputSchema.get("properties") if isinstance(shown.inputSchema, dict) else None
    names = sorted(properties)[:40] if isinstance(properties, dict) else []
    arguments = " ".join(f"{_words(name)} {name}" if _words(name) != name.lower() else _words(name) for name in names)
    text = f"[{_words(shown.name)}] <{' '.join(lead.translate(_FRAMES).split())}> {{{arguments.translate(_FRAMES)}}}"
    return f"{text}{_marks(shown.annotations)};".lower().encode("utf-8", "replace")


def _words(name: str) -> str:
    return " ".join(_WORDS.sub(" ", name[:120]).split()).lower()


def _marks(annotations: Any) -> str:
    """What a server claims against itself; what it claims in its favour is not heard."""
    if not isinstance(annotations, dict):
        return ""
    changes = " !changes" if annotations.get("readOnlyHint") is False else ""
    return changes + (" !destructive" if annotations.get("destructiveHint") is True else "")


@lru_cache(maxsize=1)
def capabilities() -> Capabilities:
    """The rules that come with the product."""
    return Capabilities()
