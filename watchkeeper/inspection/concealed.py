"""Credentials that leave in disguise: encoded however often, reversed, shifted, spaced out, or in several pieces.

The rules for credentials read what is plain, and what a hint gives away. This one decodes whatever can be decoded, and
puts together what lies in pieces, which costs more; it looks only where a policy asks for `concealed_secret`. A finding
names the string, never the credential.
"""

from __future__ import annotations

import codecs
import html
from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import unquote

import re2

from watchkeeper.inspection.attacks import Attacks
from watchkeeper.inspection.decodings.blobs import blobs, escapes
from watchkeeper.inspection.demand import OnDemand
from watchkeeper.inspection.leaving import Leaving
from watchkeeper.inspection.model import Finding, Surface
from watchkeeper.inspection.personal import Personal
from watchkeeper.inspection.rules import Rule
from watchkeeper.inspection.scanner import Scanner
from watchkeeper.inspection.secrets import Secrets
from watchkeeper.inspection.strings import Member, members_of
from watchkeeper.inspection.views import bare_text

CONCEALED = "concealed_secret"
_PLACES = frozenset({"attacks.sensitive-file", "attacks.path-traversal"})
_NUMBERS = frozenset({"personal.iban", "personal.payment-card"})
_LEAST, _LONGEST, _MOST_PIECES = 8, 16 * 1024, 200
_LAYERS, _MOST_TEXTS, _LEAST_RUN = 4, 48, 14
_APART = re2.compile(
    r"\b(?:[A-Za-z0-9_]{1,2}[ .|,:-]){7,}[A-Za-z0-9_]{1,2}\b|\b(?:[A-Z0-9]{3,6}[ .|:-]){3,}[A-Z0-9]{3,12}\b"
)
_CODED = (
    r"[A-Za-z0-9+/_=-]{14}|%[0-9A-Fa-f]{2}|&#|\\[ux0-9]|(?:[a-z]{3,8}\+){11}|[0-9A-Fa-f]{2}(?:[ :,-][0-9A-Fa-f]{2}){7}"
)
_TWO = (
    r"|\"[A-Za-z0-9_+/=-]{5,64}\"\s{0,4},\s{0,4}(?:\"[^\"]{1,40}\"\s{0,4}:\s{0,4})?\"[A-Za-z0-9_+/=-]{5,64}\""
    r"|(?:[a-z]{3,8}\+){11}"
)
_IS_CODED = re2.compile(_CODED)
_ANY = re2.compile(
    _CODED + _TWO + r"|[,\[]\s{0,8}[\[{]|(?:\b[A-Za-z0-9]{1,2}[ .|,:-]){7}|\b(?:[A-Z0-9]{3,6}[ .|:-]){3}"
)
_RUN = re2.compile(r"[A-Za-z0-9_/+=-]{16,}")
_BETWEEN = str.maketrans(dict.fromkeys(" .|,:-"))
_INSIDE = frozenset("/_-")
_NUMBER = re2.compile(r"/\d+(/|$)")


class Concealed(OnDemand):
    """Label `concealed_secret`. Safe for many threads."""

    name: ClassVar[str] = "concealed"
    on_demand: ClassVar[frozenset[str]] = frozenset({CONCEALED})

    def __init__(self) -> None:
        self._scanner: Scanner | None = None

    def prepare(self) -> None:
        """Compile the rules that hidden texts are held against."""
        if self._scanner is None:
            rules: list[tuple[str, Rule]] = [("secrets", rule) for rule in Secrets().rules]
            rules += [("leaving", rule) for rule in Leaving().rules]
            rules += [("attacks", rule) for rule in Attacks().rules if rule.id in _PLACES]
            rules += [("personal", rule) for rule in Personal().rules if rule.id in _NUMBERS]
            self._scanner = Scanner(rules)

    def inspect(self, surface: Surface, data: bytes) -> tuple[Finding, ...]:
        """One finding for each string, or group of them, that hides one."""
        if surface is not Surface.ARGUMENTS or not _ANY.search(data.decode("utf-8", "replace")):
            return ()
        members = [one for one in members_of(data) or () if not one.is_key][:_MOST_PIECES]
        found: dict[str, Finding] = {}
        for path, texts in _texts(members):
            if path not in found and texts and (rule := self._rule_in(texts)):
                found[path] = Finding(self.name, f"concealed.{rule.partition('.')[2]}", CONCEALED, 5, path)
        return tuple(found.values())

    def _rule_in(self, texts: list[str]) -> str:
        if self._scanner is None:
            self.prepare()
        assert self._scanner is not None
        said = "\n".join(texts)
        findings = self._scanner.inspect(Surface.ARGUMENTS, f'"{said}"'.encode("utf-8", "replace"), 1)
        return findings[0].rule if findings else ""


def _texts(members: list[Member]) -> Iterator[tuple[str, list[str]]]:
    """Pointer → what is hidden there."""
    for member in members:
        if len(member.value) >= _LEAST:
            yield member.pointer, _hidden_in(bare_text(member.value[:_LONGEST]))
    yield from _put_together(members)


def _hidden_in(text: str) -> list[str]:
    """The texts that this one can be read as, in layers."""
    seen, layer, found = {text}, [text], list[str]()
    for _ in range(_LAYERS):
        inner = dict.fromkeys(said for one in layer for said in _readings(one) if said not in seen)
        layer = list(inner)[: _MOST_TEXTS - len(found)]
        seen.update(layer)
        found += layer
        if not layer:
            break
    if _RUN.search(text):
        turned = (text[::-1], codecs.encode(text, "rot13"))
        found += [*turned, *(one.text for said in turned for one in blobs(said))]
    return found


def _readings(text: str) -> Iterator[str]:
    """Once decoded, in each way that yields something readable."""
    if _IS_CODED.search(text):
        yield from (one.text for one in blobs(text))
        for match in _RUN.finditer(text):
            for sign in _INSIDE.intersection(match[0]):  # a path before the run: its bits are not the run's
                if max(map(len, match[0].split(sign))) < _LEAST_RUN:
                    continue
                yield from (one.text for one in blobs(text.replace(sign, " ")))
            break
        if "%" in text:
            yield unquote(text)
        if "+" in text:
            yield unquote(text.replace("+", " "))
        if "&#" in text:
            yield html.unescape(text)
        yield from (one.text for one in escapes(text))
    for match in _APART.finditer(text):
        yield match[0].translate(_BETWEEN)


def _put_together(members: list[Member]) -> Iterator[tuple[str, list[str]]]:
    """Strings at like places of a list, and those of one object, in a row."""
    groups: dict[str, list[str]] = defaultdict(list)
    for member in members:
        place = _NUMBER.sub(r"/*\1", _NUMBER.sub(r"/*\1", member.pointer))
        if place != member.pointer:
            groups[place].append(member.value)
        groups[member.pointer.rpartition("/")[0]].append(member.value)
    for place, values in groups.items():
        if len(values) > 1:
            whole = "".join(values)[:_LONGEST]
            yield place, [whole, *_readings(whole)]
