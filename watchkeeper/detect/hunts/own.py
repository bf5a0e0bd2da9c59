"""Hunts of one's own, kept beside the data: one YAML file each, in a folder that commands and the watch look into.

A file is taken once its query is one that may run and its own tests find what they say; it never stands for one of
ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.detect.hunts.loading import load_hunt, load_hunts
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.trials import test_hunt


def own_folder(data_dir: Path) -> Path:
    """Where they lie; it need not exist."""
    return data_dir / "hunts"


def known_hunts(data_dir: Path | None, more: Iterable[Path] = ()) -> dict[str, Hunt]:
    """Ours, the estate's own, and those of further folders, by name. Raises `Misconfigured`."""
    own = [] if data_dir is None or not own_folder(data_dir).is_dir() else [own_folder(data_dir)]
    return load_hunts([content_folder("hunts"), *own, *more])


def save(data_dir: Path, file: Path, *, force: bool = False) -> Hunt:
    """Take a file in. Raises `Invalid` when its tests fail, `Conflict` when the name is taken."""
    hunt = load_hunt(file)
    if wrong := test_hunt(hunt):
        raise Invalid(f"{hunt.name} fails its own tests: {wrong[0]}", hint="see `watchkeeper hunt test`")
    if hunt.name in load_hunts([content_folder("hunts")]):
        raise Conflict(f"the name {hunt.name} belongs to one of ours", hint="call the file something else")
    to = own_folder(data_dir) / f"{hunt.name}.yaml"
    if to.exists() and not force:
        raise Conflict(f"{hunt.name} is saved already", hint="write over it with --force")
    make_private_folder(to.parent)
    write_private(to, file.read_bytes())
    return load_hunt(to)


def remove(data_dir: Path, name: str) -> None:
    """Forget one. Raises `NotFound`."""
    for ending in (".yaml", ".yml"):
        path = own_folder(data_dir) / f"{name}{ending}"
        if path.is_file() and path.parent == own_folder(data_dir):
            path.unlink()
            return
    raise NotFound(f"no hunt of your own is called {name[:80]!a}", hint="`watchkeeper hunt list` shows them")
