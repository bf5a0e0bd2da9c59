"""Inspection rules are data: YAML files with their own examples inside. This reads and checks them.

A pattern is written in the syntax that RE2 and Hyperscan share and read alike, in ASCII, matched over bytes, without
regard to case unless the rule says otherwise. A capturing group, where there is one, marks the secret itself.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import re2
import yaml

from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.model import Surface
from watchkeeper.inspection.validators import CHECKS

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C where it was built: a tenth of a second at every start."""
MAX_PATTERN = 3_000
_SPACE = r"\t\n\x0b\f\r "  # Hyperscan counts VT as space, RE2 does not: said outright, they agree
_PIECE = re.compile(r"\\x[0-9a-fA-F]{2}|\\.|\(\?[a-zA-Z]|.", re.DOTALL)
_UNALIKE = frozenset({r"\S", r"\A", r"\z", r"\Z", r"\C", r"\p", r"\P"})
_LOW, _HIGH = 1, 5
_MOST_COUNTED = 4


class Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tests of a rule, run by tests/content. `{x*3}` stands for `xxx`: no file holds what looks live."""

    match: tuple[str, ...]
    clean: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing to notice."""

    id: str
    label: str
    severity: int
    surfaces: tuple[Surface, ...]
    pattern: str
    description: str
    false_positives: str
    tests: Examples
    hint: str = ""
    """A simpler pattern that every match contains, looked for in the fast pass; the pattern itself follows."""
    case: bool = False
    """True when upper and lower case differ."""
    unquoted: bool = False
    """True when a match in quotation marks inside a sentence is left out: it is spoken about, not spoken."""
    across: bool = False
    """True when a match may run over several strings, such as a command and its arguments; it then has no place."""
    check: str = ""
    """A second look at a match that a pattern cannot express (`inspection.validators`, `inspection.identifiers`)."""


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules that one inspector owns."""

    inspector: str
    rules: tuple[Rule, ...]


def load_rules(folder: Path, inspector: str) -> tuple[Rule, ...]:
    """The rules of `inspector` from every `*.yaml` of `folder`. Raises `Misconfigured`, naming file and rule."""
    found: dict[str, Rule] = {}
    for path in sorted(folder.glob("*.yaml")):
        file = _read(path)
        if file.inspector != inspector:
            continue
        for rule in file.rules:
            if rule.id in found:
                raise Misconfigured(f"{path}: rule {rule.id} exists already", hint="give it another id")
            _check(rule, path)
            found[rule.id] = rule
    if not found:
        raise Misconfigured(f"{folder} has no rules for the inspector {inspector}", hint="reinstall watchkeeper")
    return tuple(found.values())


@lru_cache(maxsize=4_096)
def portable(pattern: str, case: bool = False) -> bytes:
    """The pattern as both engines read it alike: a character beyond ASCII becomes its bytes, in either case unless
    `case`. Raises `ValueError` for what they read differently.
    """
    out: list[str] = []
    in_class = False
    for piece in _PIECE.findall(pattern):
        if piece == r"\s":
            out.append(_SPACE if in_class else f"[{_SPACE}]")
            continue
        if piece in _UNALIKE or (len(piece) == 3 and piece[0] == "("):
            raise ValueError(f"{piece} is not portable between the engines")
        if piece in "^$" and not in_class:
            raise ValueError("anchors are not portable; a rule looks anywhere in a text")
        if piece == "[":
            in_class = True
        elif piece == "]":
            in_class = False
        if not piece.isascii():
            if in_class:
                raise ValueError("a class holds bytes: write characters beyond ASCII as alternatives")
            out.append(_bytes_of(piece, case))
            continue
        out.append(piece)
        if piece == "^" and out[-2:] != ["[", "^"]:
            raise ValueError("write a circumflex inside a class as \\x5e")
    return "".join(out).encode()


@lru_cache(maxsize=4_096)
def compiled(pattern: str, case: bool) -> Any:
    """The pattern for RE2: made once, however many inspectors read it. Raises `ValueError` and `re2.error`."""
    return re2.compile(portable(pattern, case), options=options(case))


def _bytes_of(sign: str, case: bool) -> str:
    forms = sorted({sign} if case else {sign, sign.lower(), sign.upper()})
    written = ("".join(f"\\x{byte:02x}" for byte in form.encode()) for form in forms)
    return f"(?:{'|'.join(written)})"


def loosened(pattern: str) -> str:
    """A pattern that matches wherever this one does, and compiles quickly: long counted repeats count no more."""
    out: list[str] = []
    in_class = False
    for piece in re.findall(r"\\x[0-9a-fA-F]{2}|\\.|\{\d+,\d+\}|.", pattern, re.DOTALL):
        if piece in "[]":
            in_class = piece == "["
        if len(piece) > 3 and piece[0] == "{" and not in_class:
            least, most = map(int, piece[1:-1].split(","))
            if most > _MOST_COUNTED > least:
                out.append("+" if least else "*")
                continue
        out.append(piece)
    return "".join(out)


def options(case: bool) -> re2.Options:
    """How RE2 reads our patterns: over bytes, a dot matches any byte."""
    chosen = re2.Options()
    chosen.case_sensitive = case
    chosen.dot_nl = True
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    return chosen


def _read(path: Path) -> RuleFile:
    """A file of rules; read once for all inspectors, and again when it has changed."""
    try:
        status = path.stat()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", hint="check its mode") from error
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _parsed(path: Path, _changed: int, _size: int) -> RuleFile:
    try:
        return msgspec.convert(yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER), RuleFile)  # noqa: S506 — safe
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", hint="check its mode") from error
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="see docs/concepts/inspection.md") from error


def _check(rule: Rule, path: Path) -> None:
    where = f"{path}: rule {rule.id}"
    if not _LOW <= rule.severity <= _HIGH:
        raise Misconfigured(f"{where}: severity {rule.severity} is not 1 to 5")
    if rule.check not in CHECKS:
        raise Misconfigured(f"{where}: there is no check {rule.check}", hint="see docs/concepts/inspection.md")
    if len(rule.pattern) > MAX_PATTERN:
        raise Misconfigured(f"{where}: the pattern is longer than {MAX_PATTERN} characters")
    for pattern in (rule.pattern, rule.hint or rule.pattern):
        try:
            made = compiled(pattern, rule.case)
        except (ValueError, re2.error) as error:
            raise Misconfigured(f"{where}: {error}", hint="see docs/concepts/inspection.md") from error
        if made.search(b""):
            raise Misconfigured(f"{where}: the pattern matches an empty text, so it would match everything")
