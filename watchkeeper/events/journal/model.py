"""The journal's own nouns: where a record stands, what a reader is given, its settings. No I/O."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from watchkeeper.events.journal.keeping import RetentionSettings
from watchkeeper.events.journal.outside import AnchorSettings, TileSettings
from watchkeeper.events.model import Event

Absence = Literal["", "erased", "removed", "corrupt"]


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a record stands. Nothing depends on the order across writers."""

    writer: str
    index: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored record, as a reader sees it."""

    position: Position
    event: Event | None
    """`None` when there is no record any more (`absent`), or a newer version wrote it."""
    record: bytes
    """The stored bytes; empty when they are not to be had any more."""
    absent: Absence = ""
    """Why they are not: the subject was erased, retention removed them, or they are corrupt and were passed over."""


class Corrupt(msgspec.Struct, frozen=True):
    """A range of durable records that cannot be read as it was written."""

    writer: str
    first: int
    end: int | None
    """The first index that can be read again, `None` while nothing can be read behind it."""
    why: str

    @property
    def said(self) -> str:
        span = f"records {self.first} to {self.end - 1}" if self.end is not None else f"all from record {self.first} on"
        return f"{span} of the log {self.writer} cannot be read"


class Waiting(msgspec.Struct, frozen=True):
    """What one log holds that a reader has not dealt with."""

    first: int
    """Index of the oldest record that is still there; what is before it was cut off."""
    end: int
    """Index of the next record that will be written."""
    records: int
    bytes: int
    """On disk, to the frame."""
    since: int
    """When the oldest of them was committed, microseconds since the epoch; 0 when none waits."""


class JournalSettings(msgspec.Struct, frozen=True):
    """The section `[journal]`."""

    segment_bytes: Annotated[
        int, msgspec.Meta(ge=4096, description="A log begins a new file when the current one is larger than this.")
    ] = 64 * 1024 * 1024
    commit_within_ms: Annotated[
        int, msgspec.Meta(ge=0, le=1000, description="How long a record may wait for others before it is committed.")
    ] = 10
    batch_records: Annotated[
        int, msgspec.Meta(ge=1, le=65536, description="The most records that one commit takes.")
    ] = 4096
    pending_bytes: Annotated[
        int,
        msgspec.Meta(ge=1 << 20, description="Appends are refused while more than this waits for a slow or full disk."),
    ] = 64 * 1024 * 1024
    retry_ms: Annotated[
        int, msgspec.Meta(ge=10, description="How often a commit that found the disk full is tried again.")
    ] = 250
    retention: Annotated[
        RetentionSettings,
        msgspec.Meta(description="How long records keep their content: `{ days = 365 }`. Proofs stand all the same."),
    ] = RetentionSettings()
    tiles: Annotated[
        TileSettings,
        msgspec.Meta(description='Tiles for verifiers outside this host: `{ listen = "127.0.0.1:7320" }`.'),
    ] = TileSettings()
    anchors: Annotated[
        dict[str, AnchorSettings],
        msgspec.Meta(
            description='Places that get a copy of each checkpoint, by name: `{ vault = { folder = "/mnt/v" } }`; '
            "what is there is compared with the logs."
        ),
    ] = {}
