"""The labelled records a model is trained on and measured with: the development corpora, and those written for it here.

The development corpora are other people's and lie outside of the repository (`WATCHKEEPER_CORPORA`); what was written
here lies in `training/data`. `training/heldout` is measured on and never trained on.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
TOOLS = (
    "benign-docker-registry", "benign-github", "benign-livemcptool", "benign-reference", "cisco-remote",
    "mcpproxy-security",
)  # fmt: skip
TEXTS = ("atr-strings", "bipia")
DEFINITION = "tool_definition"
TEXT = "text"


class Case(NamedTuple):
    """A record, and where it comes from."""

    source: str
    group: str
    """Cases that are alike share one: they are trained on together or not at all."""
    kind: str
    is_malicious: bool
    label: str
    """Its class, in its source's own words."""
    data: dict[str, Any]

    @property
    def is_real(self) -> bool:
        """A tool of a server in public use: what the budget of false positives is counted on."""
        return self.source.startswith("benign-")

    @property
    def is_ours(self) -> bool:
        """Written for this training, as it is."""
        return not self.is_real and self.source not in (*TOOLS, *TEXTS) and not self.source.endswith("+")


def corpora() -> Path | None:
    """The folder of the development corpora; None when it is not there."""
    folder = Path(os.environ.get("WATCHKEEPER_CORPORA", HERE.parent.parent / "shared" / "corpora"))
    return folder if (folder / "manifest.json").is_file() else None


def development(kind: str) -> list[Case]:
    """The cases to train on."""
    folder = corpora()
    if folder is None:
        raise SystemExit("the development corpora are missing: set WATCHKEEPER_CORPORA to their folder")
    names = TOOLS if kind == DEFINITION else TEXTS
    found = [case for name in names for case in read(folder / f"{name}.jsonl")]
    found += [case for path in sorted((HERE / "data").glob("*.jsonl")) for case in read(path)]
    return [case for case in found if case.kind == kind]


def heldout(kind: str) -> list[Case]:
    """The cases that are measured on only."""
    return [case for path in sorted((HERE / "heldout").glob("*.jsonl")) for case in read(path) if case.kind == kind]


def read(path: Path) -> Iterator[Case]:
    """The records of a file, one JSON object a line, gzip or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for position, line in enumerate(lines):
            record = json.loads(line)
            source = str(record.get("source") or path.stem)
            group = _group(source, record, position)
            malicious = record["label"] == "malicious"
            yield Case(source, group, record["kind"], malicious, str(record.get("class", "")), record["data"])


def _group(source: str, record: dict[str, Any], position: int) -> str:
    data = record["data"]
    if source.startswith("benign-"):
        return f"{source}:{data.get('server')}"
    if source == "bipia":
        return f"{source}:{record['class']}"
    if source == "atr-strings":
        return f"{source}:{data.get('upstream_id')}"
    return f"{source}:{position // 5}"
