"""How a lake stands: where it lies, what it holds of each class, what is damaged or set aside. Reads only."""

from __future__ import annotations

from pathlib import Path

import msgspec
from deltalake.exceptions import DeltaError, TableNotFoundError

from watchkeeper.core.errors import Unavailable
from watchkeeper.events.lake.holds import Holds
from watchkeeper.events.lake.keeping.files import DataFile, files_of
from watchkeeper.events.lake.keeping.retention import periods
from watchkeeper.events.lake.places import Place
from watchkeeper.events.lake.settings import RetentionSettings


class Holding(msgspec.Struct, frozen=True):
    """What the lake holds of one class of one tenant."""

    tenant: str
    retention: str
    rows: int
    bytes: int
    files: int
    first_day: str
    last_day: str
    days: int
    """For how long it is kept; 0 is for ever."""


class Standing(msgspec.Struct, frozen=True):
    """The lake as a whole."""

    where: str
    version: int
    commits_since_checkpoint: int
    rows: int
    bytes: int
    files: int
    holdings: tuple[Holding, ...]
    damaged: tuple[str, ...]
    """Files that are gone, cut or torn; the next tidying mends them."""
    aside: tuple[str, ...]
    """Tables that were set aside, and files that were taken out; delete them once nobody needs them."""
    holds: int | None
    """How many are in force; `None` while nobody knows."""
    doubt: str = ""
    """Why nobody knows what is held: then nothing is deleted."""


def standing(place: Place, data_dir: Path, settings: RetentionSettings) -> Standing | None:
    """`None` when there is no lake yet. Raises `Unavailable` when it cannot be read."""
    try:
        delta = place.open()
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise Unavailable(
            f"the lake at {place.uri} cannot be read: {error}", hint="the service mends it when it starts"
        ) from error
    files = files_of(delta)
    holds = Holds(data_dir)
    doubt = holds.doubt()
    return Standing(
        where=place.uri,
        version=int(delta.version()),
        commits_since_checkpoint=int(delta.version()) - place.checkpoint(),
        rows=sum(file.rows for file in files),
        bytes=sum(file.size for file in files),
        files=len(files),
        holdings=_holdings(files, settings),
        damaged=tuple(sorted(place.damaged([(file.path, file.size) for file in files]))),
        aside=tuple(sorted(path.name for path in (data_dir / "lake").glob("*damaged*"))),
        holds=None if doubt else len(holds.in_force()),
        doubt=doubt,
    )


def _holdings(files: list[DataFile], settings: RetentionSettings) -> tuple[Holding, ...]:
    grouped: dict[tuple[str, str], list[DataFile]] = {}
    for file in files:
        grouped.setdefault((file.partition.tenant, file.partition.retention), []).append(file)
    return tuple(
        Holding(
            tenant=tenant,
            retention=retention,
            rows=sum(file.rows for file in group),
            bytes=sum(file.size for file in group),
            files=len(group),
            first_day=min(file.partition.day for file in group),
            last_day=max(file.partition.day for file in group),
            days=periods(settings, tenant).get(retention, 0),
        )
        for (tenant, retention), group in sorted(grouped.items())
    )
