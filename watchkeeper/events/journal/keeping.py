"""How long the journal keeps the content of its records: `[journal.retention]`. Only settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class RetentionSettings(msgspec.Struct, frozen=True):
    """`[journal.retention]`."""

    days: Annotated[
        int, Meta(ge=0, description="Records older than this lose their content, never their proofs; 0 keeps them.")
    ] = 0
    megabytes: Annotated[
        int,
        Meta(ge=0, description="The oldest records of a log go while its files are larger than this; 0 keeps them."),
    ] = 0
    reader_days: Annotated[
        int,
        Meta(
            ge=0,
            description="How long removal waits beyond its time for a reader (lake, detection, a sink) that is behind.",
        ),
    ] = 7

    @property
    def is_on(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.days or self.megabytes)
