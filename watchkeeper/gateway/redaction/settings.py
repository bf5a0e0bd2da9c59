"""`[redaction]`: how many values are kept behind placeholders, and for how long."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class RedactionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[redaction]`: the bounds of each gateway process's memory, and of the control state that they share."""

    values: Annotated[
        int,
        Meta(
            description="So many values are kept, all clients together; whoever has most loses the oldest first.", ge=1
        ),
    ] = 200_000
    of_one: Annotated[
        int,
        Meta(
            description="So many values of one client: a server that shows more cannot push out what others need.", ge=1
        ),
    ] = 20_000
    longest: Annotated[
        int, Meta(description="Characters of a value; a message with a longer one is stopped.", ge=1)
    ] = 65_536
    hours: Annotated[float, Meta(description="How long a value is kept after it was last seen or used.", gt=0)] = 12.0
