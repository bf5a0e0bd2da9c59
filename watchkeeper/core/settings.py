"""Reading settings: a TOML file, then `WATCHKEEPER_*`, into typed sections. The only place that reads either.

A domain describes its section as a frozen `msgspec.Struct` whose every field carries a description
(`Annotated[int, Meta(description="…", ge=1)]`); `app` composes the sections. The environment names a field as
`WATCHKEEPER_<SECTION>_<FIELD>`; its value is read as TOML where it is TOML (`7310`, `true`, `["a"]`), else as text.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from watchkeeper.core.errors import Misconfigured

PREFIX = "WATCHKEEPER_"
T = TypeVar("T", bound=msgspec.Struct)


def read_settings(model: type[T], path: Path | None, environ: Mapping[str, str]) -> T:
    """The settings of `path` overlaid with those of `environ`.

    Raises `Misconfigured`, naming the key and the place, when the file cannot be read, is no TOML, has a key
    that does not exist, or a value of the wrong kind.
    """
    tree = _read_file(path) if path else {}
    _refuse_unknown(model, tree, where=str(path), prefix="")
    _overlay(model, tree, environ)
    try:
        return msgspec.convert(tree, model, strict=True)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            _in_words(model, tree, str(error)), hint="see `watchkeeper config show` and docs/reference/settings.md"
        ) from error


_WORDS = {
    "`object`": "a table",
    "`array`": "a list",
    "`str`": "text",
    "`int`": "a whole number",
    "`bool`": "true or false",
}
_WORDS |= {"`float`": "a number", "`null`": "nothing"}


def _in_words(model: type[msgspec.Struct], tree: Mapping[str, Any], said: str) -> str:
    """What the converter said, in the words of the settings: `gateway.port: expected a whole number, got text`."""
    what, _, where = said.partition(" - at ")
    for code, word in _WORDS.items():
        what = what.replace(code, word)
    place = where.strip("`").removeprefix("$").removeprefix(".")
    if "[...]" in place:  # the converter does not say which member of a table of tables it was
        section = place.partition("[...]")[0]
        place = place.replace("[...]", f".{_culprit(model, tree, section)}", 1)
    return f"{place or 'settings'}: {what[:1].lower()}{what[1:]}"


def _culprit(model: type[msgspec.Struct], tree: Mapping[str, Any], section: str) -> str:
    inner = _struct_of(get_type_hints(model).get(section))
    if inner is None:
        return "…"
    for name, value in tree[section].items():
        try:
            msgspec.convert(value, inner, strict=True)
        except msgspec.ValidationError:
            return str(name)
    return "…"


def fields_of(model: type[msgspec.Struct]) -> list[tuple[str, str, object]]:
    """(name, description, default) of each field of a section, for help texts and the reference page."""
    hints = get_type_hints(model, include_extras=True)
    rows: list[tuple[str, str, object]] = []
    for field in msgspec.structs.fields(model):
        meta = next((m for m in get_args(hints[field.name])[1:] if isinstance(m, msgspec.Meta)), None)
        default = field.default_factory() if callable(field.default_factory) else field.default
        rows.append((field.name, (meta.description or "") if meta else "", default))
    return rows


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}", hint="check the path and its mode") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8", hint="save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}", hint="see docs/reference/settings.md") from error


def _struct_of(annotation: object) -> type[msgspec.Struct] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _refuse_unknown(model: type[msgspec.Struct], tree: Mapping[str, Any], *, where: str, prefix: str) -> None:
    hints = get_type_hints(model)
    for key, value in tree.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known here: {', '.join(sorted(hints))}"
            raise Misconfigured(f"{where}: there is no setting {prefix}{key}", hint=hint)
        inner = _struct_of(hints[key])
        if inner is None or not isinstance(value, Mapping):
            continue
        children = value.items() if get_origin(hints[key]) is dict else [("", value)]
        for name, child in children:
            if isinstance(child, Mapping):
                path = f"{prefix}{key}.{name}." if name else f"{prefix}{key}."
                _refuse_unknown(inner, child, where=where, prefix=path)


def _overlay(model: type[msgspec.Struct], tree: dict[str, Any], environ: Mapping[str, str]) -> None:
    hints = get_type_hints(model)
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        rest = variable.removeprefix(PREFIX).lower()
        section = next((s for s in hints if rest.startswith(f"{s}_") and _struct_of(hints[s])), None)
        if section is None:
            continue
        field = rest.removeprefix(f"{section}_")
        inner = _struct_of(hints[section])
        if inner is None or field not in get_type_hints(inner):
            raise Misconfigured(
                f"{variable}: there is no setting {section}.{field}", hint="unset it, or correct its name"
            )
        tree.setdefault(section, {})[field] = _value(environ[variable])


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
