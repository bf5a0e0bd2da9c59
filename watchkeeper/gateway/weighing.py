"""The second look at definitions that are new: the judge's, beside the other servers' tools, and what is suppressed.

Off the event loop, some at a time: a server may list hundreds, each takes a millisecond or two. The judge is loaded at
its first definition. A failure of ours is a finding, so that the definition is held: silence must mean clean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from watchkeeper.inspection.assessment import Inspect, judged_findings
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.judge import Judge, Peer
from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.suppressing import Suppressions
from watchkeeper.registry.model import Peer as Tool

CHUNK = 16
"""Definitions a thread judges before others have their turn."""
Findings = tuple[Finding, ...]
_FAILED = Finding("judge", "judge.failed", BROKEN, 5)
_log = logging.getLogger(__name__)


class SecondLook:
    """For one process. Never raises but for cancellation."""

    def __init__(
        self,
        company: Callable[[str], Iterable[Tool]],
        suppressions: Suppressions,
        judge: Callable[[], Judge] | None,
        inspect: Inspect,
    ) -> None:
        """`company` says which tools of other servers a model sees; without `judge`, the rules have the only word.
        `inspect` finds the secrets that must not be shown of what is quoted.
        """
        self.suppressions = suppressions
        self._company = company
        self._judge = judge
        self._inspect = inspect

    async def __call__(
        self, server: str, definitions: Sequence[Definition], noticed: Mapping[str, Findings]
    ) -> dict[str, Findings]:
        """Fingerprint → all that is noticed in a definition; `noticed` is what the rules say."""
        found = dict(noticed)
        if self._judge is not None:
            peers = [Peer(one.name, one.description) for one in self._company(server)]
            for at in range(0, len(definitions), CHUNK):
                chunk = definitions[at : at + CHUNK]
                for fingerprint, more in (await asyncio.to_thread(self._weigh, chunk, peers, noticed)).items():
                    found[fingerprint] = found.get(fingerprint, ()) + more
        if self.suppressions:
            for one in definitions:
                findings = found.get(one.fingerprint, ())
                found[one.fingerprint] = self.suppressions.applied(server, one.name, one.fingerprint, findings)
        return found

    def _weigh(
        self, definitions: Sequence[Definition], peers: Sequence[Peer], noticed: Mapping[str, Findings]
    ) -> dict[str, Findings]:
        return {one.fingerprint: self._of(one, peers, noticed.get(one.fingerprint, ())) for one in definitions}

    def _of(self, definition: Definition, peers: Sequence[Peer], noticed: Findings) -> Findings:
        assert self._judge is not None
        try:
            return judged_findings(self._judge(), self._inspect, definition, peers, noticed)
        except Exception:  # noqa: BLE001 — a control that broke must be seen: what it did not judge is held
            _log.exception("a definition could not be judged")
            return (_FAILED,)


@lru_cache(maxsize=1)
def shared_judge() -> Judge:
    """This process's, loaded when it is first asked for. Raises `Misconfigured`."""
    return Judge()
