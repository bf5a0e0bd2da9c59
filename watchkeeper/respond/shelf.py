"""Reads playbooks and refuses the wrong ones before anything runs, naming the file, the line and the step.

Size and depth are bounded, aliases, doubled keys and broken characters are refused (a file that says two things, or
explodes). What a playbook may say is in `playbook`, what is checked of it in `checking`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.text import is_unseen, visible
from watchkeeper.respond.checking import problems_of
from watchkeeper.respond.interface import Action, Reach, takes_back
from watchkeeper.respond.playbook import Playbook, Shelved

MAX_BYTES = 64 * 1024
MAX_NESTING = 12
MAX_FILES = 500
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})
_HIDING = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff") | {
    chr(code) for code in range(0xE0000, 0xE0080)
}
"""Marks that change the order of what is read, or are nothing to see at all."""
_HINT = "see docs/guides/playbooks.md"


class Flaw(msgspec.Struct, frozen=True):
    """What is wrong with a file, where, and what to do."""

    file: str
    line: int
    """0 when it is about the whole file."""
    step: str
    said: str
    hint: str

    def __str__(self) -> str:
        where = [f"line {self.line}"] if self.line else []
        where += [f"step {self.step}"] if self.step else []
        return ": ".join([self.file, *([", ".join(where)] if where else []), self.said])


class _Wrong(Exception):
    """The file cannot be taken apart."""

    def __init__(self, said: str, line: int = 0) -> None:
        super().__init__(said)
        self.line = line


def load_folder(folder: Path, actions: Mapping[str, Action]) -> list[Shelved]:
    """Every `*.yaml` of a folder, by name. Raises `Misconfigured`; two with the same id are an error too."""
    return load_files(files_of(folder), actions)


def files_of(folder: Path) -> list[Path]:
    """Its playbooks, by name. Raises `Misconfigured` for a name that hides something, for a link that leads out of the
    folder, and for more files than anybody has written."""
    paths = sorted(folder.glob("*.yaml"))
    if len(paths) > MAX_FILES:
        raise Misconfigured(f"{folder} has more than {MAX_FILES} playbooks", hint="is it the right folder?")
    for path in paths:
        if any(is_unseen(char) for char in path.name):
            raise Misconfigured(f"the name of the file {visible(path.name, limit=200)} hides something", hint=_HINT)
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise Misconfigured(f"{path} is a link that leads out of its folder", hint="copy the file into the folder")
    return paths


def load_files(paths: Iterable[Path], actions: Mapping[str, Action], known: Iterable[Shelved] = ()) -> list[Shelved]:
    """These playbooks. Raises `Misconfigured`. One that is `known`, read with the same actions, is not taken apart anew
    while its bytes are the same."""
    kept = {(one.origin, one.hash): one for one in known}
    read_now = ((path.name, read(path)) for path in paths)
    shelf = [kept.get((name, digest_of(data))) or shelve(data, actions, name=name) for name, data in read_now]
    doubled = [name for name, count in Counter(s.playbook.id for s in shelf).items() if count > 1]
    if doubled:
        raise Misconfigured(f"two playbooks are called {doubled[0]}", hint="rename one of them")
    return shelf


def load_file(path: Path, actions: Mapping[str, Action]) -> Shelved:
    """One playbook. Raises `Misconfigured`, naming the file and what is wrong in it."""
    return shelve(read(path), actions, name=path.name)


def read(path: Path) -> bytes:
    """A playbook's file. Raises `Misconfigured`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Misconfigured(f"{path} is no file", hint="move it out of the folder of playbooks")
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise Misconfigured(f"cannot read {path}: {said}", hint="check the path and its mode") from error


def shelve(data: bytes, actions: Mapping[str, Action], *, name: str) -> Shelved:
    """A playbook from its bytes, checked. Raises `Misconfigured`, naming `name`, the line and the step."""
    playbook, flaws = examine(data, actions, name=name)
    if flaws or playbook is None:
        raise Misconfigured(str(flaws[0]), hint=flaws[0].hint)
    return Shelved(playbook=playbook, hash=digest_of(data), text=data.decode(), origin=name)


def digest_of(data: bytes) -> str:
    """What a playbook's bytes are known by."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def examine(data: bytes, actions: Mapping[str, Action], *, name: str) -> tuple[Playbook | None, list[Flaw]]:
    """The playbook, as far as it can be read, and everything that is wrong with it."""
    try:
        node, content = _parse(data)
    except _Wrong as error:
        return None, [Flaw(name, error.line, "", str(error), _HINT)]
    lines: dict[str, int] = {}
    _find_steps(node, lines)
    try:
        playbook = msgspec.convert(content, Playbook, strict=True)
    except msgspec.ValidationError as error:
        return None, [Flaw(name, _line_of(node, str(error)), "", str(error), _HINT)]
    found = problems_of(playbook, actions)
    return playbook, [Flaw(name, lines.get(one.step, 0), one.step, one.said, one.hint) for one in found]


def _parse(data: bytes) -> tuple[yaml.Node | None, Any]:
    if len(data) > MAX_BYTES:
        raise _Wrong(f"the file has more than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
        for number, line in enumerate(text.split("\n"), 1):
            _refuse_hidden(line.removesuffix("\r"), number)
        _bound(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubled_keys(node)
        return node, None if node is None else yaml.SafeLoader("").construct_document(node)
    except UnicodeError as error:
        raise _Wrong(f"not UTF-8 text: {error.reason if isinstance(error, UnicodeDecodeError) else error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _Wrong(f"not YAML: {error.problem or error.context}", mark.line + 1 if mark else 0) from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # values that look like dates, numbers or binary and are none come as these
        raise _Wrong(f"not YAML: {error}") from error


def _bound(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _Wrong("an alias; write it out", _line(event))
        if isinstance(event, yaml.ScalarEvent):
            event.value.encode()  # an escape may make half a character: it could not be stored
            _refuse_hidden(event.value, _line(event), but="\n")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            raise _Wrong(f"nested deeper than {MAX_NESTING}", _line(event))


def _refuse_hidden(text: str, line: int, but: str = "") -> None:
    """Nothing that a person does not see, and a terminal or an editor obeys (Trojan Source, CVE-2021-42574)."""
    for char in text:
        if char not in but and (unicodedata.category(char) in _CONTROLS or char in _HIDING) and char != "\t":
            raise _Wrong(f"the character U+{ord(char):04X}, which nobody sees", line)


def _line(place: yaml.Event | yaml.Node) -> int:
    return place.start_mark.line + 1 if place.start_mark else 0


def _refuse_doubled_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and keys[key.value] > 1:
                raise _Wrong(f"{key.value!r} is said twice", _line(key))
            _refuse_doubled_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_doubled_keys(child)


def _find_steps(node: yaml.Node | None, lines: dict[str, int]) -> None:
    """Step → the line where it begins: a mapping in a list that says an `id`."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == "id" and isinstance(value, yaml.ScalarNode):
                lines.setdefault(value.value, _line(node))
            _find_steps(value, lines)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _find_steps(child, lines)


def _line_of(node: yaml.Node | None, said: str) -> int:
    """The line that a message about `$.steps[2].with` speaks of; 0 when it names none."""
    _, _, path = said.rpartition("`$")
    for part in path.rstrip("`").replace("[", ".[").split("."):
        inner: yaml.Node | None = None
        if part.startswith("[") and isinstance(node, yaml.SequenceNode) and part.strip("[]").isdigit():
            at = int(part.strip("[]"))
            inner = node.value[at] if at < len(node.value) else None
        elif part and isinstance(node, yaml.MappingNode):
            inner = next((v for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == part), None)
        node = inner or node
    return _line(node) if node is not None and path else 0


def check_actions(actions: Mapping[str, Action]) -> None:
    """Plug-ins keep the contract too. Raises `Misconfigured` for a reversible action without an `undo` of its own."""
    for name, action in actions.items():
        if action.name != name:
            raise Misconfigured(f"the action {name} calls itself {action.name}", hint="its entry point must match")
        if action.reach is Reach.REVERSIBLE and not takes_back(action):
            raise Misconfigured(
                f"the action {name} says that it is reversible and has no undo of its own", hint="remove it"
            )
