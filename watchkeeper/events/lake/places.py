"""Where the table lies: a folder of this host, or an object store. What differs between the two, and nothing else.

On a disk a write is durable once it is synced; in an object store once the PUT is answered, so there is nothing to
sync, nothing torn, and nothing that can be renamed. There, two writers are kept apart by the conditional PUT of the
table's log entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from deltalake import DeltaTable
from deltalake._internal import DeltaFileSystemHandler
from deltalake.exceptions import DeltaError

from watchkeeper.core.errors import Misconfigured, Unavailable, Untrusted
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.lake.disk import DiskPlace
from watchkeeper.events.lake.settings import LakeSettings

_REACHED = "check [lake] url, its endpoint and its credentials"


class Place(Protocol):
    """What the table needs of where it lies."""

    is_local: bool
    uri: str
    options: dict[str, str] | None
    """For the engine: endpoint and credentials."""

    def open(self) -> DeltaTable:
        """The newest snapshot. Raises what the engine raises."""

    def require_room(self) -> None:
        """Raises `Misconfigured` when there is something that is no Delta table."""

    @property
    def has_mark(self) -> bool:
        """Whether what cannot be read is certainly ours."""

    def believe(self, delta: DeltaTable) -> None:
        """Read back what may be torn. Raises `ValueError`."""

    def seal(self, delta: DeltaTable) -> None:
        """Make every commit durable. Raises `OSError`."""

    def seal_log(self) -> None:
        """Make checkpoints durable."""

    def checkpoint(self) -> int:
        """The version of the last checkpoint; 0 before the first."""

    def drop_log(self, newest: str) -> int:
        """Drop every entry and checkpoint before this version; returns how many. Raises `OSError`."""

    def set_aside(self) -> Place:
        """Move the whole table out of the way; returns where it is. Raises `Untrusted` where that cannot be done."""

    def damaged(self, sizes: Iterable[tuple[str, int]]) -> list[str]:
        """Of these files, those that are gone or have another size."""

    def put_away(self, names: Sequence[str]) -> None:
        """Move files out of the table."""

    def fetch(self, name: str, target: Path) -> None:
        """A data file under another name on this host. Raises `OSError`."""

    def drop_aside(self) -> int:
        """Delete what was set aside or put away beside the table; returns how many folders or files. Raises
        `OSError`."""


class ObjectPlace:
    """A prefix of a bucket."""

    is_local = False
    has_mark = False

    def __init__(self, url: str, options: dict[str, str]) -> None:
        self.uri = f"{url.rstrip('/')}/events"
        self.options: dict[str, str] | None = options
        self._above, self._options = url.rstrip("/"), options

    def open(self) -> DeltaTable:
        return DeltaTable(self.uri, storage_options=self.options)

    def require_room(self) -> None:
        try:
            names = {info.path for info in self._files("events")}
        except (OSError, DeltaError) as error:
            raise Unavailable(
                f"the lake at {self.uri} cannot be reached: {_first_line(error)}",
                hint=_REACHED,
            ) from error
        if names and not any("_delta_log" in name for name in names):
            raise Misconfigured(
                f"{self.uri} holds something that is not our table of events",
                hint="choose another prefix in [lake] url; nothing was touched",
            )

    def believe(self, delta: DeltaTable) -> None:
        """A PUT is whole or not there."""

    def seal(self, delta: DeltaTable) -> None:
        """A PUT that was answered is durable."""

    def seal_log(self) -> None:
        """The same."""

    def checkpoint(self) -> int:
        names = [info.path.rpartition("/")[2] for info in self._files("events/_delta_log")]
        return max((int(name.split(".")[0]) for name in names if name.endswith(".checkpoint.parquet")), default=0)

    def drop_log(self, newest: str) -> int:
        store = DeltaFileSystemHandler(self._above, options=self._options)
        names = [info.path.rpartition("/")[2] for info in self._files("events/_delta_log")]
        dropped = [name for name in names if name.split(".")[0].isdigit() and name.split(".")[0] < newest]
        for name in dropped:
            store.delete_file(f"events/_delta_log/{name}")
        return len(dropped)

    def set_aside(self) -> Place:
        raise Untrusted(
            f"the table at {self.uri} is not one of this journal, or damaged",
            hint="choose another prefix in [lake] url; it is filled from the journal, and this one is not touched",
        )

    def damaged(self, sizes: Iterable[tuple[str, int]]) -> list[str]:
        there = {info.path.removeprefix("events/"): info.size for info in self._files("events")}
        return [name for name, size in sizes if there.get(name) != size]

    def put_away(self, names: Sequence[str]) -> None:
        store = DeltaFileSystemHandler(self._above, options=self._options)
        for name in names:
            try:
                store.move_file(f"events/{name}", f"damaged/{name.rpartition('/')[2]}")
            except (FileNotFoundError, OSError):
                continue  # it is gone already

    def fetch(self, name: str, target: Path) -> None:
        store = DeltaFileSystemHandler(self._above, options=self._options)
        _copy(store, f"events/{name}", target)

    def everything(self) -> list[tuple[str, int]]:
        """(name, bytes) of every object under the prefix, known to the table or not. Raises `Unavailable`."""
        try:
            return [(info.path, info.size) for info in self._files("") if info.size is not None]
        except (OSError, DeltaError) as error:
            raise Unavailable(f"{self._above} cannot be listed: {_first_line(error)}", hint=_REACHED) from error

    def copy(self, name: str, target: Path) -> None:
        """An object, by its name in `everything`. Raises `OSError`."""
        _copy(DeltaFileSystemHandler(self._above, options=self._options), name, target)

    def drop_aside(self) -> int:
        store = DeltaFileSystemHandler(self._above, options=self._options)
        names = [info.path for info in self._files("damaged") if info.size is not None]
        for name in names:
            store.delete_file(name)
        return len(names)

    def _files(self, under: str) -> Sequence[Any]:
        store = DeltaFileSystemHandler(self._above, options=self._options)
        listed: Sequence[Any] = store.get_file_info_selector(under, True, True)
        return listed


def place_of(data_dir: Path, settings: LakeSettings, secrets: SecretReader) -> Place:
    """Where the settings say. Raises `Misconfigured`."""
    if not settings.url:
        return DiskPlace(lake_folder(data_dir))
    store = settings.store
    key = secrets.read("[lake.store] access_key", store.access_key)
    secret = secrets.read("[lake.store] secret_key", store.secret_key)
    options = {
        "aws_region": store.region,
        "aws_conditional_put": "etag",  # two writers must not both win
        "max_retries": str(store.retries),
        "timeout": f"{store.timeout_seconds:g}s",
    }
    if store.endpoint:
        options |= {
            "aws_endpoint_url": store.endpoint,
            "aws_allow_http": str(store.endpoint.startswith("http:")).lower(),
        }
    if key:
        options |= {"aws_access_key_id": key.reveal(), "aws_secret_access_key": secret.reveal()}
    return ObjectPlace(settings.url, options)


def lake_folder(data_dir: Path) -> Path:
    """Where a data folder's table of events lies, unless the settings name an object store."""
    return data_dir / "lake" / "events"


def _copy(store: DeltaFileSystemHandler, name: str, target: Path) -> None:
    source = store.open_input_file(name)
    target.write_bytes(source.read(source.size()))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
