"""Evidence that is kept before containment changes what can be seen."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import msgspec

from watchkeeper.registry.diff import unified
from watchkeeper.registry.facts import without_secrets
from watchkeeper.registry.model import Sighting, Snapshot
from watchkeeper.respond.interface import ActionContext, NothingToUndo, Outcome, Reach

_MAX_DEFINITION = 16 * 1024
"""Bytes of one definition that evidence shows; its fingerprint covers all of it."""
_MAX_HISTORY = 50


class SnapshotDefinitions(NothingToUndo):
    """Keeps every definition a tool ever showed, before containment changes what can be seen."""

    name: ClassVar[str] = "snapshot_definitions"
    reach: ClassVar[Reach] = Reach.NONE
    touches: ClassVar[str] = ""
    evidence: ClassVar[frozenset[str]] = frozenset({"history", "digest"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        server: str
        tool: str

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        snapshot = context.services.definitions.snapshot(parameters.server, parameters.tool)
        history = [_shown(sighting) for sighting in snapshot.history[-_MAX_HISTORY:]]
        kept = {
            "tool": f"{parameters.server}/{parameters.tool}",
            "taken_at": snapshot.taken_at,
            "state": snapshot.pin.state.value,
            "pinned": snapshot.pin.pinned,
            "seen": snapshot.pin.seen,
            "history": history,
            "diff": _difference(snapshot)[:_MAX_DEFINITION],
        }
        digest = "sha256:" + hashlib.sha256(msgspec.json.encode(kept)).hexdigest()
        return Outcome(f"kept {len(history)} definitions of {kept['tool']}", kept | {"digest": digest})

    def by_hand(self, parameters: Parameters) -> str:
        return f"Keep what `watchkeeper pins diff {parameters.server} {parameters.tool}` shows."


def _difference(snapshot: Snapshot) -> str:
    """Evidence goes into the journal, so a secret that a definition shows must not be in it."""
    texts = {sighting.fingerprint: without_secrets(sighting) for sighting in snapshot.history}
    pinned, seen = texts.get(snapshot.pin.pinned, b""), texts.get(snapshot.pin.seen, b"")
    return unified(pinned, seen, before="pinned", after="seen") if pinned != seen else ""


def _shown(sighting: Sighting) -> dict[str, Any]:
    return {
        "fingerprint": sighting.fingerprint,
        "first_seen": sighting.first_seen,
        "definition": without_secrets(sighting)[:_MAX_DEFINITION].decode("utf-8", errors="replace"),
        "findings": [finding.rule for finding in sighting.findings],
    }
