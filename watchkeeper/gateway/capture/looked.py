"""Whether an event of a call was looked at for secrets in all its parts when it was made. Memory only.

Arguments and results went through the inspectors; a call in which they found a secret may have it in a name as well,
and what lies outside of them (id, method, claims) is short and mostly known.
"""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.events.model import Event
from watchkeeper.inspection.inspection import BROKEN
from watchkeeper.inspection.model import SECRET

KIND = "gateway.request.decided"
_DOUBTFUL = frozenset({SECRET, BROKEN})
_SHORT = 16


def looked(is_harmless: Callable[[str], bool]) -> Callable[[Event], bool]:
    """For `Censor.trusts`."""

    def was_looked_at(event: Event) -> bool:
        body = event.body
        findings = body.get("findings")
        if findings and any(one["label"] in _DOUBTFUL for one in findings):
            return False
        if "dropped" in body:  # names that a server chose
            return False
        method, number, version, claimed = body.get("method"), body.get("id"), body.get("version"), event.claimed
        return (
            type(method) is str
            and (len(method) < _SHORT or is_harmless(method))
            and (type(number) is not str or len(number) < _SHORT or is_harmless(number))
            and (version is None or len(version) < _SHORT or is_harmless(version))
            and (len(claimed) < _SHORT or is_harmless(claimed))
        )

    return was_looked_at
