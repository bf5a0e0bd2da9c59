"""Reading hunts: one YAML file, one hunt. One that could not run, or that does not test itself, is refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from watchkeeper.core.errors import Invalid, Misconfigured, NotFound
from watchkeeper.detect.hunts.model import Hunt, Parameter, Trial
from watchkeeper.detect.hunts.parameters import samples
from watchkeeper.events.lake.sql.rewriting import prepare
from watchkeeper.events.query.language import parse_time

_NAME = re.compile(r"[a-z][a-z0-9_]{1,60}")
_TECHNIQUE = re.compile(r"SAFE-T[0-9]{4}|T[0-9]{4}(\.[0-9]{3})?|AML\.T[0-9]{4}(\.[0-9]{3})?")
_NOW = 1_790_000_000_000_000
_LONGEST = 100_000


class _File(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    why: str
    sql: str
    tests: tuple[Trial, ...]
    techniques: tuple[str, ...] = ()
    range: str = "24h"
    parameters: dict[str, Parameter] = {}


def load_hunts(folders: Iterable[Path]) -> dict[str, Hunt]:
    """Every `*.yaml` and `*.yml` of the folders, by name. Raises `Misconfigured`, naming the file and the fault."""
    hunts: dict[str, Hunt] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Misconfigured(f"there is no folder of hunts at {folder}")
        for path in sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml")):
            hunt = load_hunt(path)
            if hunt.name in hunts:
                raise Misconfigured(f"{path}: the name {hunt.name} belongs to {hunts[hunt.name].source} already")
            hunts[hunt.name] = hunt
    return dict(sorted(hunts.items()))


def find(hunts: dict[str, Hunt], name: str) -> Hunt:
    """Raises `NotFound`."""
    if name not in hunts:
        raise NotFound(f"no hunt is called {name}", hint="`watchkeeper hunt list` shows them")
    return hunts[name]


def load_hunt(path: Path) -> Hunt:
    """The hunt of one file. Raises `Misconfigured`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}", hint="check its mode; save it as UTF-8") from error
    return parse_hunt(text, path.stem, str(path))


def parse_hunt(text: str, name: str, source: str) -> Hunt:
    """The hunt of a YAML text. Raises `Misconfigured`."""
    try:
        file = msgspec.convert(read_yaml(text), _File)
        hunt = _checked(file, name, source)
        # the query is judged now, not when it is needed
        prepare(hunt.sql, tenant="default", now=_NOW, parameters=dict(samples(hunt.parameters)))
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError, TypeError, ValueError) as error:
        raise Misconfigured(f"{source}: {error}", hint="docs/guides/hunting.md shows a whole one") from error
    except Invalid as error:
        raise Misconfigured(f"{source}: {error.reason}", hint=error.hint) from error
    return hunt


def read_yaml(text: str) -> Any:
    """What a YAML text says. Raises `yaml.YAMLError`, `RecursionError` and `ValueError`."""
    if len(text) > _LONGEST:
        raise ValueError(f"a hunt has at most {_LONGEST} characters")
    return yaml.load(text, Loader=_Strict)  # noqa: S506 — a SafeLoader that is stricter


def _checked(file: _File, name: str, source: str) -> Hunt:
    if not _NAME.fullmatch(name):
        raise Invalid(f"a file is called as its hunt is, in a-z, 0-9 and _, not {name!r}")
    wrong = [one for one in file.techniques if not _TECHNIQUE.fullmatch(one)]
    if wrong:
        raise Invalid(f"{wrong[0]!r} is no technique's id", hint="SAFE-T1201, T1195.001 or AML.T0053")
    if file.range != "all":
        parse_time(file.range, _NOW)
    used = set(re.findall(r"(?<![:\w]):([a-z_][a-z0-9_]*)", file.sql))
    if used != set(file.parameters):
        odd = ", ".join(sorted(used ^ set(file.parameters)))
        raise Invalid(f"used and declared parameters differ: {odd}")
    if not any(trial.expected for trial in file.tests):
        raise Invalid("a hunt tests itself: at least one test finds something", hint="tests: given, expected")
    return Hunt(
        name=name,
        title=file.title.strip(),
        why=file.why.strip(),
        techniques=file.techniques,
        range=file.range,
        parameters=file.parameters,
        sql=file.sql.strip(),
        tests=file.tests,
        source=source,
    )


class _Strict(yaml.SafeLoader):
    """No duplicate keys, nothing is a date, and no aliases: a few lines of these stand for more than memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "there are no aliases in a hunt", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(repr(self.construct_object(key, deep=True)) for key, _ in node.value)
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Strict.yaml_implicit_resolvers = {
    letter: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
