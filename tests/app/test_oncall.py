"""On-call in a real watch that is killed: an incident pages a real receiver level by level until somebody has it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.app import compiled
from tests.app.conftest import FREE, command
from tests.app.test_deadman import Process, until
from tests.respond.oncall.conftest import people
from tests.respond.webhooks.conftest import another_system
from watchkeeper.app.platform import opened
from watchkeeper.events import JournalReader
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

SETTINGS = """
[respond.oncall]
levels = [{{ page = ["rota:main"] }}, {{ page = ["person:bob"], after_minutes = 0.05 }}]
fallback = ["person:cy"]
fallback_minutes = 60
repeats = 0
[respond.oncall.channels.pager]
url = "{url}"
secret = "env:PAGE_SECRET"
[respond.oncall.people.ann]
channels = ["pager"]
[respond.oncall.people.bob]
channels = ["pager"]
[respond.oncall.people.cy]
channels = ["pager"]
[respond.oncall.rotas.main]
layers = [{{ people = ["ann"] }}]
"""


def incident(data: Path, number: int) -> None:
    """An alert becomes an incident, by another process than the watch."""
    with opened(data, "cli") as platform:
        ledger = Ledger(platform.database, platform.journal, JournalReader(data))
        now = platform.clock.now()
        alert = Alert(id=f"alert-{number}", rule="r", title="odd", severity=4, server=f"s{number}", time=now)
        Intake(platform.database, ledger, platform.clock, RespondSettings()).take(alert)
        ledger.flush()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.behaviour("oncall.durable")
def test_a_watch_that_is_killed_goes_on_paging_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with another_system() as pager:
        (data / "watchkeeper.toml").write_text(FREE + SETTINGS.format(url=pager.url), encoding="utf-8")
        compiled.lend(data)
        words = ("service", "watch", "--data", str(data))
        watch = Process(tmp_path, *words)
        try:
            incident(data, 1)
            until(lambda: people(pager)[:1] == ["ann"])
            watch.kill()
            watch = Process(tmp_path, *words)
            until(lambda: "bob" in people(pager))
            taken = command("oncall", "ack", pager.bodies()[0]["data"]["incidents"][0], "--data", str(data))
            assert (taken.returncode, "is taken by operator:" in taken.stdout) == (0, True), taken.stderr
            shown = command("incidents", "show", pager.bodies()[0]["data"]["incidents"][0], "--data", str(data))
            assert "paged ann by pager" in shown.stdout
            assert "acknowledged" in shown.stdout
            watch.signal(signal.SIGKILL)
            watch.process.communicate(timeout=60)
            pager.statuses = [503]
            watch = Process(tmp_path, *words)
            incident(data, 2)
            until(lambda: "cy" in people(pager))  # nobody takes a page: all levels are called at once
            pager.statuses = [200]
            before = len(pager.got)
            until(lambda: len(set(pager.ids()[before:])) >= 3)  # every page that was not taken is sent again
        finally:
            watch.end()
            compiled.take(data)
