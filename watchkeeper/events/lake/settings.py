"""The `[lake]` section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LakeSettings(msgspec.Struct, frozen=True):
    """How often the lake is filled, and when it is tidied."""

    flush_seconds: Annotated[
        float,
        Meta(
            description="Longest that a record waits for a commit; until then it is answered from the journal.",
            gt=0,
        ),
    ] = 30.0
    flush_rows: Annotated[
        int, Meta(description="Rows of a commit; as soon as so many wait, they are committed.", ge=1, le=100_000)
    ] = 10_000
    compact_commits: Annotated[
        int,
        Meta(
            description="Commits after which small files are merged and a checkpoint is written.",
            ge=2,
            le=300,
        ),
    ] = 100
    compact_megabytes: Annotated[
        int, Meta(description="Size of a merged file, compressed; bounds what a merge rewrites.", ge=1, le=1024)
    ] = 32
    grace_hours: Annotated[
        int,
        Meta(description="Hours that a replaced file stays for queries that began before it was replaced.", ge=0),
    ] = 1
