"""What was ended under which key, in a file and on a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from watchkeeper.app.platform import opened
from watchkeeper.core.clock import SECOND
from watchkeeper.core.database import Database
from watchkeeper.core.state import StateSettings
from watchkeeper.gateway.custody.ledger import KEPT_SECONDS, Deed, Ledger, kept_of
from watchkeeper.gateway.custody.model import Asked, Meant


class Clock:
    """One that is set."""

    time = 1_800_000_000 * SECOND

    def now(self) -> int:
        return self.time


def deed(key: str) -> Deed:
    return Deed("end", "*/principal:claude", Asked(key=key, by="operator:tester", reason="it does harm"))


@pytest.mark.behaviour("custody.once-over-a-restart")
def test_a_part_is_begun_left_taken_over_done_and_removed(tmp_path: Path, state_url: str) -> None:
    clock = Clock()
    meant = Meant(sessions=(("small", "agent:claude", "id-4711"),), calls=2)
    with opened(tmp_path, "tester", state=StateSettings(state_url)) as platform:

        def process(writer: str = "gateway-1") -> Ledger:
            return Ledger(platform.database, clock, tmp_path, writer)  # type: ignore[arg-type]  # a clock that is set

        first, beside = process(), process("gateway-2")
        assert first.begin(deed("a"), "17", meant).state == "fresh"
        assert first.begin(deed("a"), "17", Meant()).state == "fresh"
        assert beside.begin(deed("a"), "18", Meant()).state == "fresh", "another worker has a part of its own"
        assert "id-4711" not in _everything(platform.database)

        second = process()
        part = second.begin(deed("a"), "19", Meant())
        assert (part.state, part.meant, part.place) == ("left", meant, first.place)
        assert [one.asked.key for one in second.untold()] == ["a"]
        late = process("gateway-3").begin(deed("a"), "20", Meant(calls=1))
        assert (late.state, late.is_own, late.meant) == ("left", False, Meant()), "it was not there yet"

        second.done(deed("a"), {"sessions": 1})
        part = process().begin(deed("a"), "21", Meant())
        assert (part.state, part.answer, part.is_told) == ("done", {"sessions": 1}, False)
        second.told(deed("a"))
        assert process().begin(deed("a"), "21", Meant()).is_told
        kept = {one.gateway: one.answer for one in kept_of(platform.database, deed("a"))}
        assert kept == {"17": {"sessions": 1}, "18": None}

        (tmp_path / "keys" / "endings.key").unlink()
        assert process("gateway-2").begin(deed("a"), "22", Meant()).meant.is_unknown

        clock.time += KEPT_SECONDS * SECOND + 1
        assert second.begin(deed("b"), "21", Meant()).state == "fresh"
        assert [one.place for one in kept_of(platform.database, deed("a"))] == []


def _everything(database: Database) -> str:
    with database.read() as session:
        return str(session.execute(text("SELECT * FROM gateway_endings")).all())
