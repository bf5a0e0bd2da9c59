"""A hunt's file from the answers to a form. Pure: whether the hunt may run is judged where the text is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.hunts.loading import read_yaml

FIELDS = ("name", "title", "why", "techniques", "range", "sql", "parameters", "tests")
"""What a form asks for; `parameters` and `tests` as they stand in a file."""


def compose(said: Mapping[str, str]) -> str:
    """The YAML of a hunt. Raises `Invalid` for parameters or tests that are no YAML."""
    document: dict[str, Any] = {
        "title": said.get("title", "").strip(),
        "why": _lines(said.get("why", "")),
        "techniques": re.split(r"[\s,]+", said.get("techniques", "").strip()) if said.get("techniques") else [],
        "range": said.get("range", "").strip() or "24h",
        "parameters": _read("parameters", said.get("parameters", "")) or {},
        "sql": _lines(said.get("sql", "")) + "\n",
        "tests": _read("tests", said.get("tests", "")) or [],
    }
    kept = {key: value for key, value in document.items() if value or key in ("title", "sql", "tests")}
    return yaml.dump(kept, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=118)


def _read(name: str, text: str) -> Any:
    try:
        return read_yaml(_lines(text))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(f"the {name} are no YAML: {error}", hint="write them as in a hunt's file") from error


def _lines(text: str) -> str:
    """Browsers send lines as mail does."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").split("\n")).strip()


class _Writer(yaml.SafeDumper):
    """Long texts line by line, as people write them; nothing by alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Writer.add_representer(str, _text)
