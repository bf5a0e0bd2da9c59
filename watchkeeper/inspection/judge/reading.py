"""A definition or a text as the judge weighs it: its sentences, with the numbers of their words and their concepts.

What a sentence cannot say by itself is noted beside it as a sign: a definition that names or echoes a tool of another
server, claims to be harmless and is not, or hides text in what nobody sees.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import msgspec
import re2

from watchkeeper.inspection.decodings import hidden_in
from watchkeeper.inspection.judge.concepts import Concepts
from watchkeeper.inspection.judge.words import number, plain, sentences, words, words_of_name
from watchkeeper.inspection.views import bare_text

SIGNS = (
    "hidden", "disguised", "names_peer", "mentions_peer", "echoes_peer", "mentions_identifier", "claims_harmless",
    "shouts", "long", "many_parameters", "from_decoding", "is_json", "is_code", "is_foreign",
    "rule_instruction", "rule_attack", "rule_exfiltration", "rule_secret", "rule_invisible",
)  # fmt: skip
"""What is noted beside sentences; they count as concepts do."""
_NOTED = {
    "hidden_instruction": "rule_instruction",
    "attack": "rule_attack",
    "exfiltration": "rule_exfiltration",
    "secret": "rule_secret",
    "invisible_text": "rule_invisible",
}
"""Label of a finding of the first layer → the sign that says so."""
MAX_SENTENCES = 400
_IDENTIFIER = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_TEXTS = frozenset({"description", "title", "default", "const", "$comment", "examples", "enum", "pattern", "format"})
_DESTROYS = re.compile(
    r"\b(delete|remove|drop|destroy|wipe|overwrite|write|update|create|send|execute|run|transfer|pay)\w*"
)
_CODE = re.compile(
    r"[{};]\s*$|^\s*(?:import|from|def|class|function|const|let|var|#include|public|SELECT)\b", re.MULTILINE
)
_BLOB = re2.compile(r"[A-Za-z0-9+/_=-]{32,}|[0-9a-fA-F]{24,}")
"""What is no words; if it hides some, these are read beside it."""
_SMALL, _LARGE = ascii_lowercase.encode(), ascii_uppercase.encode()
_ECHO = 0.6
_DEPTH = 12


class Sentence(msgspec.Struct, frozen=True):
    """One sentence, or one name."""

    path: str
    """JSON pointer of its string in a definition; empty in a text."""
    start: int
    end: int
    """Characters in that string; both 0 when it was decoded from somewhere in it."""
    words: tuple[str, ...]
    extra: tuple[int, ...]
    """Numbers of its n-grams beyond words and pairs of words."""
    concepts: tuple[int, ...]
    is_name: bool = False


class Reading(msgspec.Struct, frozen=True):
    """All of it."""

    sentences: tuple[Sentence, ...]
    signs: tuple[int, ...]
    """Positions in `SIGNS`, ascending."""


class Peer(msgspec.Struct, frozen=True):
    """A tool of another server that the model sees beside the one at hand."""

    name: str
    description: str = ""


class Reader:
    """Safe for many threads."""

    def __init__(self, concepts: Concepts) -> None:
        self.concepts = concepts

    def of_text(self, text: str, labels: Collection[str] = ()) -> Reading:
        """A text that a model reads; `labels` are what the first layer found in it."""
        found = list(self._sentences(text, ""))
        signs = {_NOTED[label] for label in labels if label in _NOTED}
        for hidden in hidden_in(text):
            signs |= {"hidden", "from_decoding"}
            found += self._sentences(hidden.text, "", hidden.start, hidden.end)
        if bare_text(text) != text:
            signs.add("disguised")
        if text.lstrip()[:1] in ("{", "["):
            signs.add("is_json")
        if _CODE.search(text):
            signs.add("is_code")
        return _reading(found, signs | _shape(text))

    def of_definition(self, tree: dict[str, Any], peers: Sequence[Peer] = (), labels: Collection[str] = ()) -> Reading:
        """A tool's, prompt's or resource's definition as listed."""
        name = str(tree.get("name") or "")
        found = [self._name(name, "/name", "n")]
        signs = {_NOTED[label] for label in labels if label in _NOTED}
        said: list[str] = []
        parameters = 0
        for path, text, is_name in _strings(tree):
            if is_name:
                parameters += 1
                found.append(self._name(text, path, "q"))
                continue
            said.append(text)
            found += self._sentences(text, path)
            for hidden in hidden_in(text):
                signs |= {"hidden", "from_decoding"}
                found += self._sentences(hidden.text, path, hidden.start, hidden.end)
            if bare_text(text) != text and _is_latin(text):
                signs.add("disguised")
        whole = "\n".join(said)
        if parameters > 12:
            signs.add("many_parameters")
        signs |= _claims(tree, whole) | _company(name, whole, peers, found) | _shape(whole)
        return _reading(found, signs)

    def _name(self, name: str, path: str, kind: str) -> Sentence:
        said = words_of_name(name)
        extra = [number(f"{kind}_{word}") for word in said]
        extra += [number(f"{kind}_{a} {b}") for a, b in itertools.pairwise(said)]
        concepts = self.concepts.of(" ".join(said)) if kind == "n" else []
        return Sentence(path, 0, len(name), tuple(said) if kind == "n" else (), tuple(extra), tuple(concepts), True)

    def _sentences(self, text: str, path: str, start: int = -1, end: int = 0) -> Iterator[Sentence]:
        has_blob = _BLOB.search(text) is not None
        for span in sentences(text)[:MAX_SENTENCES]:
            said = text[span.start : span.end]
            read = plain(_BLOB.sub(" ", said) if has_blob else said)
            place = (start, end) if start >= 0 else span
            yield Sentence(path, *place, tuple(words(read)), (), tuple(self.concepts.of(read)))


def _reading(found: list[Sentence], signs: set[str]) -> Reading:
    return Reading(tuple(found[: MAX_SENTENCES * 2]), tuple(i for i, name in enumerate(SIGNS) if name in signs))


def string_at(tree: dict[str, Any], path: str) -> str:
    """The string that a sentence's path speaks of; empty when there is none."""
    if path == "/name":
        return str(tree.get("name") or "")
    return next((text for place, text, _ in _strings(tree) if place == path), "")


def _strings(tree: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(pointer, text, whether it is a parameter's name) of all that a model reads of a definition but its name."""
    stack: list[tuple[str, Any, int]] = [("", {k: v for k, v in tree.items() if k != "name"}, 0)]
    while stack:
        path, node, depth = stack.pop()
        if depth > _DEPTH:
            continue
        if isinstance(node, list):
            for i, item in enumerate(node):
                stack.append((f"{path}/{i}", item, depth + 1))
        if not isinstance(node, dict):
            continue
        for key, value in reversed(list(node.items())):
            below = f"{path}/{key}"
            if key == "properties" and isinstance(value, dict):
                for parameter in value:
                    yield f"{below}/{parameter}", str(parameter), True
            if isinstance(value, str) and (key in _TEXTS or depth == 0) and value:
                yield below, value, False
            elif isinstance(value, list) and key in _TEXTS:
                yield from ((f"{below}/{i}", item, False) for i, item in enumerate(value) if isinstance(item, str))
            elif isinstance(value, dict | list):
                stack.append((below, value, depth + 1))


def _claims(tree: dict[str, Any], whole: str) -> set[str]:
    hints = tree.get("annotations")
    says_harmless = isinstance(hints, dict) and (
        hints.get("readOnlyHint") is True or hints.get("destructiveHint") is False
    )
    acts = _DESTROYS.search(" ".join(words_of_name(str(tree.get("name") or ""))) + " " + whole[:200].lower())
    return {"claims_harmless"} if says_harmless and acts else set()


def _company(name: str, whole: str, peers: Sequence[Peer], found: list[Sentence]) -> set[str]:
    signs: set[str] = set()
    low = whole.lower()
    own = {name.lower(), *(s.path.rsplit("/", 1)[-1].lower() for s in found if s.is_name)}
    others = set(_IDENTIFIER.findall(low)) - own
    if others:
        signs.add("mentions_identifier")
    mine = frozenset(words(plain(whole)))
    for peer in peers:
        if words_of_name(peer.name) == words_of_name(name) or bare_text(peer.name).lower() == bare_text(name).lower():
            signs.add("names_peer")
        if len(peer.name) > 3 and peer.name.lower() in low:
            signs.add("mentions_peer")
        theirs = _said(peer.description)
        if len(theirs) > 3 and len(mine & theirs) >= _ECHO * len(theirs):
            signs.add("echoes_peer")
    return signs


@lru_cache(maxsize=4096)
def _said(description: str) -> frozenset[str]:
    """The words of a peer's description, which is held against every other definition."""
    return frozenset(words(plain(description)))


def _shape(text: str) -> set[str]:
    signs: set[str] = set()
    data = text.encode("utf-8", "replace")
    small = len(data) - len(data.translate(None, _SMALL))
    large = len(data) - len(data.translate(None, _LARGE))
    if small + large > 20 and large > 0.25 * small:
        signs.add("shouts")
    if len(text) > 600:
        signs.add("long")
    if not _is_latin(text):
        signs.add("is_foreign")
    return signs


def _is_latin(text: str) -> bool:
    if text.isascii():
        return True
    beyond = sum(c > "\u024f" and c.isalpha() for c in text)
    return beyond < 0.3 * max(1, sum(map(str.isalpha, text)))
