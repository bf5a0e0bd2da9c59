"""Runs that wait for an approval while the engine changes, their playbook too; and one that is killed in its hands.

Every waiting run has to go on once it is approved, by the text it was begun with; the one in hand has to be reported.
"""

from __future__ import annotations

from typing import Any

from _respond_estate import STORES, Stores, estate
from _respond_parked import until_waiting

from tests.respond.crowds import approve_all, ask_for, shelf, states
from tests.respond.lives import Life

COUNT, QUICK = 200, 10
_NEXT = "watchkeeper-next"


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The rows of this part."""
    count = QUICK if quick else COUNT
    with Stores() as stores:
        found = {store: upgraded(stores.url(store), count) for store in STORES[: 1 if quick else None]}
    resumed, reported = (sum(one[at] for one in found.values()) for at in (0, 1))
    n = count * len(found)
    return [
        {"metric": "upgrade_resumed", "value": resumed, "unit": f"of {n}", "n": n},
        {"metric": "upgrade_reported", "value": reported, "unit": f"of {len(found)}", "n": len(found)},
    ]


def upgraded(url: str, count: int) -> tuple[int, int]:
    """How many waiting runs went on by their own text, and how many runs in hand were reported."""
    with estate(url) as made:
        folder = made.data.parent
        ask_for(made, range(count))
        with Life(made, "hold effect", playbooks=shelf(folder / "one"), runs=count + 9) as old:
            until_waiting(made, count)
            made.rug_pull(1)
            old.ended()
        changed = shelf(folder / "two", version=2, reason="rewritten meanwhile")
        with Life(made, playbooks=changed, runs=count, engine=_NEXT) as new:
            new.said("held")
            approve_all(made)
            new.process.communicate(timeout=1_800)
        ended = {(state, outcome): n for state, outcome, n in states(made)}
        by_their_own = sum(order.reason == "it changed" for order in made.orders.all())
        return min(ended.get(("finished", "success"), 0), by_their_own), ended.get(("parked", ""), 0)
