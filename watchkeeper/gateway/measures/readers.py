"""What only reads. Deny on doubt: whatever is not known to read counts as acting.

A request reads when the protocol says so (lists, resources, prompts), or when it calls a tool that reads. A tool reads
when the operator says so (the label `only_reads` in `[flow.labels]`), or when a person approved a definition that says
`readOnlyHint`, and nothing in its own words or the operator's says that it sends, writes or runs anything. The hint
alone is a claim of the server (MCP server/tools#data-types), so an approval has to stand behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.inspection.capabilities import capabilities
from watchkeeper.inspection.fingerprints import GREETINGS, LISTS
from watchkeeper.protocol.message import Message
from watchkeeper.registry.model import TOOL, PinState

ONLY_READS = "only_reads"
"""The operator's label for a tool that changes nothing, whatever its definition says."""
_ACTS = frozenset({"sends", "writes", "destroys", "executes", "pays", "admin"})
_READS = (
    frozenset(LISTS)
    | GREETINGS
    | {
        "ping",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "subscriptions/listen",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/cancel",
    }
)


class Claims(Protocol):
    """`registry.Pins`."""

    def state(self, server: str, kind: str, name: str) -> PinState: ...
    def claims_to_read(self, server: str, name: str) -> bytes: ...


class Readers:
    """Of every server."""

    def __init__(self, pins: Claims, labels: Callable[[], Labels | None]) -> None:
        self._pins = pins
        self._labels = labels

    def reads(self, server: str, message: Message) -> bool:
        """Whether a client's message changes nothing at this server, as far as anybody can know."""
        if message.kind == "response":  # an answer to a question of the server may be what completes a write
            return False
        if message.kind in ("notification", "error"):
            return True
        return self.is_reader(server, message.name) if message.method == "tools/call" else message.method in _READS

    def is_reader(self, server: str, tool: str) -> bool:
        """Whether a tool is known to read and nothing else."""
        claim = self._pins.claims_to_read(server, tool)
        found: tuple[str, ...] = ()
        if claim and self._pins.state(server, TOOL, tool) is PinState.APPROVED:
            found = _abilities(claim)
            if _ACTS.isdisjoint(self._corrected(server, tool, found)):
                found += (ONLY_READS,)
        return ONLY_READS in self._corrected(server, tool, found)

    def _corrected(self, server: str, tool: str, found: tuple[str, ...]) -> tuple[str, ...]:
        labels = self._labels()
        return labels.corrected(server, tool, found) if labels is not None else found


@lru_cache(maxsize=4_096)
def _abilities(canonical: bytes) -> tuple[str, ...]:
    return capabilities().of_tool(canonical)
