"""Making a bundle from folders and packs: the same inputs make the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.policy.bundles.envelope import Envelope, wrap
from watchkeeper.policy.bundles.model import PREDICATE, STATEMENT, Manifest
from watchkeeper.policy.packs import chosen
from watchkeeper.policy.sources import files_of

_ENDINGS = (".cedar", ".tests.yaml")


class Parts(msgspec.Struct, frozen=True):
    """What goes into a bundle."""

    files: dict[str, str]
    packs: dict[str, tuple[str, ...]]


def collect(folders: Iterable[Path], packs: Iterable[str]) -> Parts:
    """The policies and tests of folders, and of packs with those that they need.

    Raises `Invalid` when two have one name or there is nothing in them, and `Misconfigured` for a pack that is none.
    """
    packed = chosen(tuple(packs))
    places = [(pack.name, pack.place) for pack in packed] + [(folder.resolve().name, folder) for folder in folders]
    files: dict[str, str] = {}
    for name, place in places:
        if any(path.startswith(f"{name}/") for path in files):
            raise Invalid(f"two folders are named {name}", hint="rename one: in a bundle the name is all there is")
        for path in (path for ending in _ENDINGS for path in files_of(place, ending)):
            files[f"{name}/{path.name}"] = _text(path)
    if not files:
        raise Invalid("there is no policy in these folders", hint="name folders with *.cedar")
    needs = {pack.name: tuple(one.name for one in chosen([pack.name]) if one.name != pack.name) for pack in packed}
    return Parts(files, needs)


def build(
    parts: Parts, *, version: int, created: str, description: str, windows: Mapping[str, Iterable[str]]
) -> Envelope:
    """The bundle, unsigned: an in-toto statement whose subjects are the files."""
    manifest = Manifest(
        version,
        created,
        description,
        parts.files,
        parts.packs,
        {name: tuple(spans) for name, spans in windows.items()},
    )
    statement = {
        "_type": STATEMENT,
        "subject": [{"digest": {"sha256": sha256(text)}, "name": name} for name, text in sorted(parts.files.items())],
        "predicateType": PREDICATE,
        "predicate": manifest,
    }
    return wrap(msgspec.json.encode(statement, order="deterministic"))


def sha256(text: str) -> str:
    """Of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"cannot read {path}: {error}", hint="policies are text in UTF-8") from error
