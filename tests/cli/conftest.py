"""A data folder with something in it, and the command line run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watchkeeper.app.platform import opened
from watchkeeper.cli import main
from watchkeeper.events import JournalReader, new_event
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

Command = Callable[..., Result]

HOSTILE = "evil\x1b[31m\u202e\x9b2J\U000e0041\nname"
"""An escape sequence, a bidi override, an eight-bit control sequence, a tag character and a line break."""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings and no data folder of whoever runs the tests."""
    for name in ("WATCHKEEPER_DATA", "WATCHKEEPER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def run() -> Command:
    """`watchkeeper …`: its exit code, what it printed and what it complained of."""

    def run(*words: object) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder on which Watchkeeper ran once and nothing happened."""
    folder = tmp_path / "empty"
    with opened(folder, "watch"):
        pass
    return folder


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """A folder with a hostile server's tool, a refused call, an incident and an order in it."""
    folder = tmp_path / "estate"
    listing = b'{"tools":[{"name":"weather","description":"d","inputSchema":{"type":"object"}}]}'
    with opened(folder, "watch") as platform:
        platform.pins.observe("training", definitions_in("tools/list", listing), {})
        event = new_event(
            platform.clock.now(),
            "gateway.request.decided",
            actor="agent:tester",
            server="training",
            target=HOSTILE,
            outcome="deny",
            body={"reason": HOSTILE},
        )
        platform.journal.record(event)
        ledger = Ledger(platform.database, platform.journal, JournalReader(folder))
        alert = Alert(id="alert-1", rule="r", title=HOSTILE, severity=4, server="training", time=platform.clock.now())
        Intake(platform.database, ledger, platform.clock, RespondSettings()).take(alert)
        platform.orders.issue(OrderKind.HOLD_TOOL, "training/weather", reason="r", by="operator:me", key="k")
    return folder
