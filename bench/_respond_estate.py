"""Data folders for `bench/respond.py`, on either kind of control state, and the alerts that playbooks' own tests bring.

The parts are the real ones; what stands in for a gateway's process is `Gate` of the tests, which takes orders over its
socket and judges probes by them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import fresh_database, server  # noqa: E402
from tests.respond.conftest import Estate, Gate  # noqa: E402
from watchkeeper.events import Event  # noqa: E402
from watchkeeper.inspection.fingerprints import definitions_in  # noqa: E402
from watchkeeper.respond import RespondSettings  # noqa: E402
from watchkeeper.respond.model import alert_of  # noqa: E402
from watchkeeper.respond.playbook import Playbook, Trial  # noqa: E402
from watchkeeper.respond.service import load_actions  # noqa: E402
from watchkeeper.respond.shelf import load_files  # noqa: E402

BOOKS = ROOT / "tests" / "respond" / "books"
STORES = ("sqlite", "postgresql")
_PREFIX = "wk-respond-"
"""Of temporary folders; the process id follows."""


class Stores:
    """The kinds of control state; a server is started for the first who asks."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server: Any = None
        self._turn = threading.Lock()

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, store: str) -> str:
        if store == "sqlite":
            return ""
        with self._turn:
            if self._server is None:
                self._server = self._stack.enter_context(server())
            return fresh_database(self._server)


def clear() -> None:
    """Remove folders of benches that were killed, and nobody else's."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def estate(url: str) -> Iterator[Estate]:
    """A fresh data folder with a gate on it; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    made = Estate(folder / "data", url)
    try:
        with Gate(made.data, made.database, made.orders):
            yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def playbooks() -> list[tuple[Playbook, Trial]]:
    """Every shipped playbook, and one with every kind of gate, each with the test of it that does the most."""
    paths = [path for folder in (ROOT / "content" / "playbooks", BOOKS) for path in sorted(folder.glob("*.yaml"))]
    shelved = [one.playbook for one in load_files(paths, load_actions())]
    return [(one, max(one.tests, key=lambda trial: len(trial.trace))) for one in shelved]


def know(made: Estate, trial: Trial) -> None:
    """Have the registry know every tool that the alerts name, each with two definitions."""
    for alert in trial.alerts:
        name, at = str(alert.get("target", "")), str(alert.get("server", ""))
        if not name or not at:
            continue
        for text in ("does a thing", "does a thing, and mails it"):
            tool = {"name": name, "description": text, "inputSchema": {"type": "object"}}
            made.pins.observe(at, definitions_in("tools/list", json.dumps({"tools": [tool]}).encode()), {})


def raise_alerts(made: Estate, trial: Trial) -> list[Event]:
    """The test's alerts, the last first, so that whatever may follow from all of them follows once."""
    told = [{**one, "labels": tuple(one.get("labels", ()))} for one in reversed(trial.alerts)]
    return [made.raise_alert(number, **alert) for number, alert in enumerate(told, 1)]


def runs_of(trial: Trial) -> int:
    """How many runs its alerts bring."""
    with estate("") as made:
        know(made, trial)
        intake = made.service(settings=RespondSettings(playbooks=str(BOOKS))).intake
        return sum(len(intake.take(alert_of(event))) for event in raise_alerts(made, trial))
