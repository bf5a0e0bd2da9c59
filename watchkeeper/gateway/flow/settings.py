"""`[flow]`: what tools can do by the operator's own word, and how long it is remembered what an agent has read."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured

_LABEL = re.compile(r"-?[a-z][a-z0-9_]{0,39}")


class FlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[flow]`: what policies see in `context.labels`, `context.flow` and `context.counts`."""

    labels: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="`server/tool` pattern → labels that its tools have, too; with a `-` in front, ones that they "
            "do not have, whatever their definitions say. All patterns that match count, in this order."
        ),
    ] = {}
    minutes: Annotated[
        float, Meta(description="How long it is remembered what an agent has read; at most twice as long.", gt=0)
    ] = 60.0
    counted_minutes: Annotated[
        float, Meta(description="The stretch of time that `calls_over_50` and its like count in.", gt=0)
    ] = 60.0
    principals: Annotated[
        int, Meta(description="So many agents are remembered; the one that was silent longest goes first.", ge=1)
    ] = 2_000
    fingerprints: Annotated[
        int, Meta(description="So many fingerprints of what they have read are kept, all agents together.", ge=1_000)
    ] = 1_000_000


def check_flow(settings: FlowSettings) -> None:
    """Raises `Misconfigured` for a label that no policy could ask for."""
    for pattern, labels in settings.labels.items():
        for label in labels:
            if not _LABEL.fullmatch(label):
                raise Misconfigured(f"flow.labels: {pattern!r}: {label!r} is no label", hint="write it like -sends")
        if "/" not in pattern:
            raise Misconfigured(f"flow.labels: {pattern!r} matches nothing", hint="write it like files/read_*")
