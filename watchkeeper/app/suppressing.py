"""Suppressions from the settings and the file beside them: read, checked, told, written."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import new_event
from watchkeeper.gateway.weighing import SecondLook, shared_judge
from watchkeeper.inspection import Inspection
from watchkeeper.inspection.assessment import Inspect
from watchkeeper.inspection.second import JudgedInspection
from watchkeeper.inspection.settings import check_inspection
from watchkeeper.inspection.suppressing import Suppressions, day_of
from watchkeeper.inspection.suppression import Suppression, check_suppressions

FILE = "watchkeeper-suppressions.toml"
_log = logging.getLogger(__name__)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    suppression: tuple[Suppression, ...] = ()


def file_of(loaded: Loaded) -> Path:
    """Beside the settings file; in the data folder where there is none."""
    return (loaded.path.parent if loaded.path is not None else loaded.data_dir) / FILE


def suppressions_of(loaded: Loaded, clock: Clock | None = None, more: Sequence[Path] = ()) -> Suppressions:
    """Those of the settings, of the file beside them, and of `more` files. Raises `Misconfigured`."""
    time = clock or SystemClock()
    today = day_of(time)
    entries = list(loaded.settings.inspection.suppressions)
    check_suppressions("inspection.suppressions", entries, today)
    own = file_of(loaded)
    for path in dict.fromkeys([*([own] if own.is_file() else []), *more]):
        found = read_entries(path)
        check_suppressions(str(path), found, today)
        entries += found
    return Suppressions(entries, time)


def read_entries(path: Path) -> tuple[Suppression, ...]:
    """The entries of a file. Raises `Misconfigured`."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(tree, _File, strict=True).suppression
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}", hint="see docs/guides/scan.md, Suppressions") from error


def add_entry(path: Path, entry: Suppression, clock: Clock | None = None) -> None:
    """Append an entry to a file, which is checked first and afterwards. Raises `Misconfigured`."""
    check_suppressions(str(path), [entry], day_of(clock or SystemClock()))
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    if before:
        read_entries(path)
    rows = [f"{name} = {_toml(value)}" for name, value in msgspec.to_builtins(entry).items() if value]
    text = "\n".join(["[[suppression]]", *rows, ""])
    path.write_text(f"{before.rstrip()}\n\n{text}" if before.strip() else text, encoding="utf-8")
    read_entries(path)


def second_look_for(loaded: Loaded, platform: Platform, inspect: Inspect) -> SecondLook:
    """What new definitions are looked at with beside the rules. Raises `Misconfigured`; the judge is loaded later."""
    settings = loaded.settings.inspection
    check_inspection(settings)
    suppressions = suppressions_of(loaded, platform.clock)
    judge = None if settings.judge == "off" else shared_judge
    return SecondLook(platform.pins.company, suppressions, judge, inspect)


def judging(loaded: Loaded, inspection: Inspection | JudgedInspection) -> Inspection | JudgedInspection:
    """The inspection of what passes, with the judge's word where the settings say so."""
    plain = inspection.plain if isinstance(inspection, JudgedInspection) else inspection
    return JudgedInspection(plain, shared_judge) if loaded.settings.inspection.judge == "all" else plain


def note_suppressions(platform: Platform, look: SecondLook, service: str) -> None:
    """Record what is let be from now on, and what has run out. Nothing where there is none."""
    suppressions = look.suppressions
    if not suppressions:
        return
    expired = suppressions.expired
    for entry in expired:
        _log.warning("a suppression has run out and holds no more", extra={"rule": entry.rule, "server": entry.server})
    body = {
        "in_force": [msgspec.to_builtins(one) for one in suppressions.entries if one not in expired],
        "expired": [msgspec.to_builtins(one) for one in expired],
    }
    now = platform.clock.now()
    kind = "admin.suppressions.loaded"
    platform.journal.append(
        new_event(now, kind, actor=f"system:{service}", target=service, outcome="success", body=body)
    )


def _toml(value: str) -> str:
    return msgspec.json.encode(value).decode()
