"""A mapping file: how JSON lines of a system that nobody has heard of become observations.

YAML, read once, checked whole: members that do not exist, forms that are none and tests that fail are told with their
place before anything is taken in. A member of the line is named by its path (`request.tool.name`, `calls.0.id`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.model import CALL, Malformed, Observation, Stateless, json_of, text_of, whole_of

_PATH = re.compile(r"[^.\s]+(?:\.[^.\s]+)*")
_TEXTS = ("name", "id", "who", "client", "server", "target", "session", "trace", "reason")
_SCALE = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a member comes from."""

    path: str = ""
    """In the line; the first of several that is there: `a.b | c`."""
    value: str | int | None = None
    """A constant, where the line does not say."""
    values: dict[str, str | int] = {}
    """What the line's words mean: `{ok: success, blocked: deny}`."""
    form: Literal["", "iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "ms", "us", "s"] = ""
    """Of a time or a duration."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test that stands in the mapping: this line gives this, or is passed over."""

    line: dict[str, Any]
    gives: dict[str, Any] | None = None


class Mapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    title: str
    fields: dict[str, Field | str]
    """Member of `Observation` → where it comes from; plain text is a path."""
    when: dict[str, Annotated[list[str | int | bool], msgspec.Meta(min_length=1)]] = {}
    """Path → the values of lines that are of interest; all of them must hold."""
    is_request: bool = True
    tests: list[Case] = []


_MEMBERS = frozenset(Observation.__struct_fields__) - {"is_request", "more"}


def read_mapping(path: Path) -> MappedLines:
    """The reader that a file describes, its tests passed. Raises `Invalid`."""
    where = "write it as docs/guides/ingest.md shows"
    try:
        tree = yaml.safe_load(path.read_bytes())
        mapping = msgspec.convert(tree, Mapped)
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}", hint="check the path and its mode") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is no YAML: {str(error).splitlines()[0]}", hint=where) from error
    except msgspec.ValidationError as error:
        raise Invalid(f"{path}: {error}", hint=where) from error
    if unknown := sorted(set(mapping.fields) - _MEMBERS):
        raise Invalid(f"{path}: fields.{unknown[0]}: there is no such member", hint=f"one of {sorted(_MEMBERS)}")
    fields = {name: Field(path=f) if isinstance(f, str) else f for name, f in mapping.fields.items()}
    for name, field in fields.items():
        for part in field.path.split("|"):
            if field.path and not _PATH.fullmatch(part.strip()):
                raise Invalid(f"{path}: fields.{name}: not a path: {part.strip()!r}", hint="names joined by dots")
    if "name" not in fields:
        fields["name"] = Field(value=CALL)
    reader = MappedLines(mapping, fields)
    for number, case in enumerate(mapping.tests):
        reader.check(f"{path}: tests[{number}]", case)
    return reader


class MappedLines(Stateless):
    """Reads lines as a mapping says."""

    def __init__(self, mapping: Mapped, fields: Mapping[str, Field]) -> None:
        self._mapping = mapping
        self._fields = fields
        self._roots = frozenset(
            part.strip().partition(".")[0] for field in fields.values() for part in field.path.split("|")
        )

    def read(self, record: bytes) -> Sequence[Observation]:
        try:
            said = msgspec.json.decode(record)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Malformed("no JSON") from error
        if not isinstance(said, dict):
            raise Malformed("no JSON object")
        found = self._observe(said)
        return () if found is None else (found,)

    def check(self, where: str, case: Case) -> None:
        """Raises `Invalid` when a test of the file fails."""
        try:
            found = self._observe(case.line)
        except Malformed as error:
            raise Invalid(f"{where}: the line is refused: {error}", hint="correct the mapping or the test") from error
        told = None if found is None else msgspec.to_builtins(found)
        wanted = case.gives
        if (told is None) != (wanted is None):
            raise Invalid(f"{where}: the line is {'passed over' if told is None else 'taken'}", hint="see `when`")
        for name, value in (wanted or {}).items():
            have = getattr(found, name, None)
            have = have.decode() if isinstance(have, bytes) else have
            if have != value:
                raise Invalid(
                    f"{where}: {name} is {have!r}, expected {value!r}", hint="correct the mapping or the test"
                )

    def _observe(self, said: dict[str, Any]) -> Observation | None:
        for path, wanted in self._mapping.when.items():
            if _at(said, path) not in wanted:
                return None
        given: dict[str, Any] = {}
        for name, field in self._fields.items():
            value = _found(said, field)
            if value is None:
                continue
            given[name] = _typed(name, value, field.form)
        if not given.get("name"):
            return None
        outcome = given.get("outcome", "success")
        given["outcome"] = outcome if outcome in ("deny", "failure", "success") else "failure"
        given["severity"] = min(max(given.get("severity") or 1, 1), 5)
        more = {key: value for key, value in said.items() if key not in self._roots}
        return Observation(is_request=self._mapping.is_request, more=more, **given)


def _found(said: Mapping[str, Any], field: Field) -> Any:
    value = None
    for path in field.path.split("|") if field.path else ():
        value = _at(said, path.strip())
        if value is not None:
            break
    if field.values:
        value = field.values.get(text_of(value), field.value)
    return field.value if value is None else value


def _at(node: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and step.isdecimal():
            node = node[int(step)] if int(step) < len(node) else None
        else:
            return None
    return node


def _typed(name: str, value: Any, form: str) -> Any:
    if name == "time":
        return _moment(value, form)
    if name in ("arguments", "result"):
        return json_of(value)
    if name == "duration_us":
        scale = {"s": 1_000_000, "ms": 1000}.get(form, 1)
        return int(value * scale) if isinstance(value, int | float) and 0 <= value < 1e12 else None
    if name in ("severity", "status"):
        return whole_of(value)
    return text_of(value, 2048)


def _moment(value: Any, form: str) -> int:
    if form in ("", "iso"):
        if not isinstance(value, str):
            raise Malformed("its time is no text of ISO 8601")
        try:
            return from_iso(value)
        except Invalid as error:
            raise Malformed("its time is none of ISO 8601") from error
    number = float(value) if isinstance(value, int | float | str) and _is_number(value) else None
    if number is None or abs(number) > 1e20:
        raise Malformed("its time is no number")
    return int(value) // 1000 if form == "epoch_ns" else int(number * _SCALE.get(form, 1))


def _is_number(value: float | str) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", str(value)) is not None
