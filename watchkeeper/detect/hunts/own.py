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
from watchkeeper.detect.hunts.trials import failures
from watchkeeper.events.lake.sql.model import Limits

_LIMITS = Limits()
MOST = 500
"""Hunts of one's own: every page and every run of a schedule reads them all."""


def own_folder(data_dir: Path) -> Path:
    """Where they lie; it need not exist."""
    return data_dir / "hunts"


def known_hunts(data_dir: Path | None, more: Iterable[Path] = ()) -> dict[str, Hunt]:
    """Ours, the estate's own, and those of further folders, by name. Raises `Misconfigured`."""
    own = [] if data_dir is None or not own_folder(data_dir).is_dir() else [own_folder(data_dir)]
    return load_hunts([content_folder("hunts"), *own, *more])


def judge(data_dir: Path, hunt: Hunt, *, force: bool = False, limits: Limits = _LIMITS) -> bool:
    """Whether it stands in the place of an earlier one; `limits` are those of its tests.

    Raises `Invalid` when they fail, `Conflict` when the name is taken.
    """
    if hunt.name in load_hunts([content_folder("hunts")]):
        raise Conflict(f"the name {hunt.name} belongs to one of ours", hint="call it something else")
    known = list(_files(data_dir))
    is_there = any(path.stem == hunt.name for path in known)
    if is_there and not force:
        raise Conflict(f"{hunt.name} is saved already", hint="say that it shall be written over, or choose a name")
    if not is_there and len(known) >= MOST:
        raise Conflict(f"{MOST} hunts of your own are saved", hint="`watchkeeper hunt remove` forgets one")
    if wrong := failures(hunt, limits):
        raise Invalid(f"{hunt.name} fails its own tests: {wrong[0]}", hint="see `watchkeeper hunt test`")
    return is_there


def keep(data_dir: Path, name: str, text: bytes) -> Hunt:
    """Write down one that was judged, in the place of one of that name."""
    there = next((path for path in _files(data_dir) if path.stem == name), None)
    to = there or own_folder(data_dir) / f"{name}.yaml"
    make_private_folder(to.parent)
    write_private(to, text)
    return load_hunt(to)


def _files(data_dir: Path) -> Iterable[Path]:
    folder = own_folder(data_dir)
    return [path for path in folder.iterdir() if path.suffix in (".yaml", ".yml")] if folder.is_dir() else []


def text_of(data_dir: Path, name: str) -> str:
    """The file of one. Raises `NotFound`."""
    return _file(data_dir, name).read_text(encoding="utf-8")


def remove(data_dir: Path, name: str) -> None:
    """Forget one. Raises `NotFound`."""
    _file(data_dir, name).unlink(missing_ok=True)


def _file(data_dir: Path, name: str) -> Path:
    for path in _files(data_dir):
        if path.stem == name:
            return path
    raise NotFound(f"no hunt of your own is called {name[:80]!a}", hint="`watchkeeper hunt list` shows them")
