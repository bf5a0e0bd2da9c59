"""Packs: sets of policies that come with the product, and are read where the settings name them.

A pack is a folder `content/policies/packs/NAME` with a `pack.toml`, its policies and their tests; or one file
`NAME.cedar` there, with `NAME.tests.yaml` beside it. What a pack needs is read with it, and before it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured

_ABOUT = "pack.toml"


class Pack(msgspec.Struct, frozen=True):
    """One of them."""

    name: str
    place: Path
    """Its folder or its file; `PolicyEngine.load` takes either."""
    title: str
    description: str
    level: str = ""
    """The assurance level of CoSAI's document that it is meant for, if for one: `L2`."""
    needs: tuple[str, ...] = ()
    """Other packs, by name."""
    controls: Mapping[str, tuple[str, ...]] = {}
    """Control → the policies that do their part of it."""


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    description: str
    level: str = ""
    needs: tuple[str, ...] = ()
    controls: dict[str, tuple[str, ...]] = {}


def packs() -> dict[str, Pack]:
    """Every pack that there is, by name. Raises `Misconfigured` when the description of one cannot be read."""
    folder = content_folder("policies") / "packs"
    found = [_of_folder(about.parent) for about in folder.glob(f"*/{_ABOUT}")]
    found += [_of_file(path) for path in folder.glob("*.cedar")]
    return {pack.name: pack for pack in sorted(found, key=lambda pack: pack.name)}


def chosen(names: Iterable[str]) -> list[Pack]:
    """These packs, each behind those that it needs, none twice. Raises `Misconfigured` for a name that is none."""
    known = packs() if names else {}
    found: dict[str, Pack] = {}
    for name in names:
        _add(name, known, found)
    return list(found.values())


def places_of(names: Iterable[str]) -> list[Path]:
    """Where the policies of these packs lie. Raises `Misconfigured`."""
    return [pack.place for pack in chosen(names)]


def find(name: str) -> Pack:
    """One of them. Raises `Misconfigured`, naming the nearest, when there is none of this name."""
    known = packs()
    if name not in known:
        raise _unknown(name, list(known))
    return known[name]


def _add(name: str, known: Mapping[str, Pack], found: dict[str, Pack]) -> None:
    if name in found:
        return
    if name not in known:
        raise _unknown(name, list(known))
    for needed in known[name].needs:
        _add(needed, known, found)
    found[name] = known[name]


def _unknown(name: str, known: Sequence[str]) -> Misconfigured:
    near = difflib.get_close_matches(name, known, 1, 0.5) or [one for one in known if one.endswith(f".{name}")]
    hint = f"did you mean {near[0]!r}? " if near else ""
    return Misconfigured(
        f"policy.packs: there is no pack {name!r}", hint=f"{hint}`watchkeeper policy packs` lists them"
    )


def _of_folder(folder: Path) -> Pack:
    path = folder / _ABOUT
    try:
        about = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _About)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="reinstall watchkeeper") from error
    return Pack(folder.name, folder, **msgspec.structs.asdict(about))


def _of_file(path: Path) -> Pack:
    """What it is says the first paragraph of its comments."""
    paragraph: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//") or line == "//":
            break
        paragraph.append(line.removeprefix("//").strip())
    text = " ".join(paragraph)
    return Pack(path.stem, path, text.split(":")[0].split(". ")[0].rstrip("."), text)
