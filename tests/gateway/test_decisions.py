from __future__ import annotations

from pathlib import Path

from watchkeeper.app.platform import opened
from watchkeeper.events import new_event
from watchkeeper.events.lake.search import Search
from watchkeeper.gateway import decisions


def test_every_decision_is_read_once_page_by_page(tmp_path: Path) -> None:
    with opened(tmp_path, "watch") as platform:
        now = platform.clock.now()
        times = [now, now, now, now, now + 1, now + 1, now + 2]  # four in one microsecond: more than a page
        made = [new_event(at, "gateway.request.decided", outcome="allow") for at in times]
        made.append(new_event(now, "gateway.message.decided", outcome="deny"))
        for event in [
            *made,
            new_event(now, "gateway.request.refused"),
            new_event(now, decisions.DECIDED, tenant="other"),
        ]:
            platform.journal.record(event)
    for page in (1, 2, 3, 100):
        found = list(decisions.decisions(Search(tmp_path), now, now + 10, page=page))
        assert sorted(event.id for event in found) == sorted(event.id for event in made)
