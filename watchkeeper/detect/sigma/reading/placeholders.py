"""What `%name%` stands for where a rule says `expand`: lists of values, from YAML files of an operator.

A file is a mapping of names to lists (or single values). A value may have wildcards. A name that nobody has given
values is an error of the rule that uses it: to match nothing in silence would be blindness.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.types import Placeholder, SigmaExpansion, SigmaRegularExpression, SigmaString

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.conditions.patterns import Unsupported
from watchkeeper.detect.sigma.files.documents import documents_of

Lists = Mapping[str, tuple[str, ...]]
NO_LISTS: Lists = {}

_MOST = 10_000
"""Values that one value of a rule may become."""


class Unresolved(Unsupported):
    """A placeholder that stands for nothing."""


def load_placeholders(folder: Path) -> dict[str, tuple[str, ...]]:
    """The lists of every YAML file of a folder (or of one file). Raises `Misconfigured`."""
    if not folder.exists():
        raise Misconfigured(f"there are no placeholders at {folder}", hint="name a folder of YAML files, or nothing")
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".yml", ".yaml")) if folder.is_dir() else [folder]
    lists: dict[str, tuple[str, ...]] = {}
    for path in paths:
        try:
            for document in documents_of(path):
                lists |= {str(name): _values(name, said) for name, said in document.content.items()}
        except Misconfigured as error:
            raise Misconfigured(f"{path}: {error.reason}", hint=error.hint) from error
    return lists


def _values(name: Any, said: Any) -> tuple[str, ...]:
    values = said if isinstance(said, list) else [said]
    if not values or not all(isinstance(value, (str, int, float)) and value != "" for value in values):
        raise Misconfigured(f"the placeholder {name} is no list of values", hint="write texts or numbers, at least one")
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def fill(detections: SigmaDetections, lists: Lists) -> None:
    """Put values in the place of every placeholder. Raises `Unresolved`, naming the first that has none."""
    for detection in detections.detections.values():
        _fill(detection, lists)


def _fill(detection: SigmaDetection, lists: Lists) -> None:
    for item in detection.detection_items:
        if isinstance(item, SigmaDetectionItem):
            item.value = [_filled(value, lists) for value in item.value]
        else:
            _fill(item, lists)


def _filled(value: Any, lists: Lists) -> Any:
    if isinstance(value, SigmaExpansion):
        value.values = [_filled(inner, lists) for inner in value.values]
        return value
    if isinstance(value, SigmaString) and value.contains_placeholder():
        return _any_of([_joined(type(value), parts) for parts in _products(value, lists, escaped=False)])
    if isinstance(value, SigmaRegularExpression) and value.contains_placeholder():
        texts = ["".join(map(str, parts)) for parts in _products(value.regexp, lists, escaped=True)]
        return _any_of([SigmaRegularExpression(text, value.flags) for text in texts])
    return value


def _products(value: SigmaString, lists: Lists, *, escaped: bool) -> list[tuple[Any, ...]]:
    choices = [_choices(part, lists, escaped=escaped) for part in value.s]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST:
        raise Unsupported(f"the placeholders of one value become {count} values", hint=f"at most {_MOST}")
    return list(product(*choices))


def _choices(part: Any, lists: Lists, *, escaped: bool) -> list[Any]:
    if not isinstance(part, Placeholder):
        return [part]
    values = lists.get(part.name)
    if values is None:
        raise Unresolved(
            f"the placeholder %{part.name}% has no values",
            hint=f"write `{part.name}: [...]` into a YAML file of the folder of placeholders",
        )
    return [_literal(value) for value in values] if escaped else [SigmaString(value) for value in values]


def _literal(value: str) -> str:
    """The value as a regular expression that means itself."""
    return "".join(c if c.isalnum() or c == "_" else f"\\{c}" for c in value)


def _joined(kind: type[SigmaString], parts: tuple[Any, ...]) -> SigmaString:
    joined = kind()
    joined.s = [inner for part in parts for inner in (part.s if isinstance(part, SigmaString) else (part,))]
    return joined


def _any_of(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else SigmaExpansion(values)
