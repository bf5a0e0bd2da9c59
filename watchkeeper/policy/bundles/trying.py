"""Policies of a bundle beside those that are there anyway: loaded as they would be in force, and their tests run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.policy.bundles.model import Manifest
from watchkeeper.policy.cases import read_cases, run_case
from watchkeeper.policy.engine import PolicyEngine
from watchkeeper.policy.packs import places_of
from watchkeeper.policy.windows import spans_of


class Beside(msgspec.Struct, frozen=True):
    """What the settings say."""

    packs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    windows: Mapping[str, Sequence[str]] = {}


def engine_with(manifest: Manifest | None, beside: Beside) -> PolicyEngine:
    """Starter set, packs, bundle, folders. Raises `Misconfigured` when these cannot be in force together.

    A pack that is in the bundle is taken from there, as it was when it was approved.
    """
    windows = windows_with(manifest, beside)
    within = set(manifest.packs) if manifest is not None else set[str]()
    own = [place for place in places_of(beside.packs) if _name(place) not in within]
    folders = [Path(folder) for folder in beside.folders]
    if manifest is None:
        return PolicyEngine.load([content_folder("policies"), *own, *folders], windows)
    with laid_out(manifest) as places:
        return PolicyEngine.load([content_folder("policies"), *own, *places.values(), *folders], windows)


def windows_with(manifest: Manifest | None, beside: Beside) -> dict[str, tuple[str, ...]]:
    """The windows of time of both. Raises `Misconfigured` when one name means two, or cannot be read."""
    windows = {name: tuple(spans) for name, spans in beside.windows.items()}
    for name, spans in (manifest.windows if manifest is not None else {}).items():
        if windows.setdefault(name, spans) != spans:
            raise Misconfigured(
                f"policy.windows.{name} is another window in the settings than in the bundle", hint="rename one"
            )
    spans_of(windows)
    return windows


def try_out(manifest: Manifest) -> int:
    """Run the tests in a bundle, and say how many there are. Raises `Invalid` when one fails, or a policy is wrong.

    Those of a pack are asked of the starter set, the pack and what it needs; all others of the whole bundle.
    """
    starter = content_folder("policies")
    wrong: list[str] = []
    count = 0
    try:
        with laid_out(manifest) as places:
            whole = PolicyEngine.load([starter, *places.values()], manifest.windows)
            for name, place in places.items():
                needs = manifest.packs.get(name)
                near = [places[one] for one in needs or () if one in places]
                engine = whole if needs is None else PolicyEngine.load([starter, *near, place], manifest.windows)
                for _, case in read_cases([place]):
                    count += 1
                    if difference := run_case(engine, case):
                        wrong.append(f"{name}: {case.name}: {difference}")
    except Misconfigured as error:
        raise Invalid(f"the policies of the bundle cannot be loaded: {error.reason}", hint="correct them") from error
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Invalid(f"a test in the bundle fails: {wrong[0]}{more}", hint="correct the policies, or the test")
    return count


@contextmanager
def laid_out(manifest: Manifest) -> Iterator[dict[str, Path]]:
    """The folders of a bundle, in order, on a disk of our own for as long as this is open."""
    with tempfile.TemporaryDirectory(prefix=f"bundle-{manifest.version}-") as scratch:
        places: dict[str, Path] = {}
        for name, text in manifest.files.items():
            folder, _, file = name.partition("/")
            places[folder] = Path(scratch) / folder
            places[folder].mkdir(exist_ok=True)
            (places[folder] / file).write_text(text, encoding="utf-8")
        yield places


def _name(place: Path) -> str:
    return place.name if place.is_dir() else place.stem
