"""The YAML documents of a file, bounded: what a hostile file may make of memory, time and depth is limited here.

1. A file is at most 8 MiB, and at most 10,000 documents.
2. Aliases may not make a document grow beyond 200,000 nodes ("billion laughs"), nor contain itself.
3. Nothing is nested deeper than 64 levels, so that no reader above runs out of stack.
4. Only plain data is made: no tag of YAML constructs an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from watchkeeper.core.errors import Misconfigured

LARGEST = 8 * 1024 * 1024
MOST = 10_000
_NODES = 200_000
_DEEPEST = 64
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(Misconfigured):
    """A file is no YAML, or is more than may be read."""


class _Loader(_Base):  # type: ignore[misc]  # one of two classes, known when it is run
    """Counts how deep it is: nodes are composed by recursion in C, which ends the process when its stack is full."""

    _depth = 0

    def descend_resolver(self, _: Any, __: Any) -> None:
        self._depth += 1
        if self._depth > _DEEPEST + 1:
            raise _too_deep()

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _too_deep() -> Unreadable:
    return Unreadable(f"is nested deeper than {_DEEPEST} levels", hint="no rule needs that")


class Document:
    """One document of a file."""

    __slots__ = ("content", "doubled", "line", "place", "source")

    def __init__(
        self, content: dict[str, Any], source: str, line: int, doubled: tuple[str, ...] = (), place: str = ""
    ) -> None:
        self.content = content
        self.source = source
        self.line = line
        """Where it begins, from one."""
        self.doubled = doubled
        """Keys that stand twice, with their lines: of two selections of one name, the first is silently gone."""
        self.place = place or source
        """How people are told where it is: the file, with the line where it is not the file's first."""

    def saying(self, content: dict[str, Any]) -> Document:
        """The same place with other words."""
        return Document(content, self.source, self.line, self.doubled, self.place)


def documents_of(path: Path) -> Iterator[Document]:
    """The documents of a file, empty ones left out. Raises `Unreadable` at the first that is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}", hint="check its mode") from error
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8: {error.reason} at byte {error.start}", hint="save it as UTF-8") from error
    return documents_in(text, str(path))


def documents_in(text: str, source: str) -> Iterator[Document]:
    """The same of a text. Raises `Unreadable`."""
    if len(text) > LARGEST:
        raise Unreadable(f"is larger than {LARGEST >> 20} MiB", hint="split it")
    loader = _Loader(text)
    try:
        found = 0
        for _ in range(MOST):
            if not loader.check_node():
                return
            node = loader.get_node()
            content, doubled = _made(loader, node)
            if content is not None:
                line, found = node.start_mark.line + 1, found + 1
                yield Document(_mapping(content), source, line, doubled, f"{source}:{line}" if found > 1 else source)
        raise Unreadable(f"holds more than {MOST} documents", hint="split it")
    except yaml.YAMLError as error:
        raise Unreadable(_said(error), hint="mend the YAML") from error
    except (UnboundLocalError, RecursionError, ValueError, AttributeError, TypeError, KeyError) as error:
        # an alias inside of what it names; a tag whose value is none of its kind
        raise Unreadable(f"is no usable YAML: {error}", hint="mend the YAML") from error
    finally:
        loader.dispose()


def _made(loader: Any, node: yaml.Node) -> tuple[Any, tuple[str, ...]]:
    doubled: list[str] = []
    _weigh(node, {}, doubled, 0)
    return loader.construct_document(node), tuple(doubled)


def _weigh(node: yaml.Node, known: dict[int, int], doubled: list[str], depth: int) -> int:
    """How many nodes it is with every alias written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    seen = known.get(id(node))
    if seen is not None:
        return seen
    if depth == _DEEPEST:
        raise _too_deep()
    if isinstance(node, yaml.MappingNode):
        children = [value for _, value in node.value]
        _note_doubled(node, doubled)
    else:
        children = node.value
    size = 1 + sum(_weigh(child, known, doubled, depth + 1) for child in children)
    if size > _NODES:
        raise Unreadable(f"is more than {_NODES} nodes with its aliases written out", hint="no rule needs that")
    known[id(node)] = size
    return size


def _note_doubled(node: yaml.MappingNode, doubled: list[str]) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Unreadable(f"has a key that is no text in line {key.start_mark.line + 1}", hint="mend the YAML")
        if key.value in seen and key.value != "<<":
            doubled.append(f"{key.value} (line {key.start_mark.line + 1})")
        seen.add(key.value)


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise Unreadable(f"holds {type(content).__name__} where a rule should be", hint="a rule is a mapping")
    return content


def _said(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"is no YAML{where}: {problem or error}"
