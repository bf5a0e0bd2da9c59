"""Data folders for `bench/respond.py`, on either kind of control state, and the alerts that playbooks' own tests bring.

The parts are the real ones; what stands in for a gateway's process is `Gate` of the tests, which takes orders over its
socket and judges probes by them, or `Premises`, which has a live guard and custody, and the rooms beyond it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.postgres import fresh_database, server  # noqa: E402
from tests.respond.conftest import CLOCK, Estate, Gate  # noqa: E402
from tests.respond.premises import Premises  # noqa: E402
from watchkeeper.events import Event  # noqa: E402
from watchkeeper.inspection.fingerprints import definitions_in  # noqa: E402
from watchkeeper.respond import RespondSettings  # noqa: E402
from watchkeeper.respond.asking import PlaybookDesk  # noqa: E402
from watchkeeper.respond.incidents import IncidentDesk  # noqa: E402
from watchkeeper.respond.ledger import Ledger  # noqa: E402
from watchkeeper.respond.model import alert_of  # noqa: E402
from watchkeeper.respond.planning import Authority  # noqa: E402
from watchkeeper.respond.playbook import Shelved  # noqa: E402
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


def say(what: str) -> None:
    """How far it is, to standard error."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


def fresh_folder() -> Path:
    """Whoever asks removes it; `clear` does where nobody could."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


@contextmanager
def bare_estate(url: str) -> Iterator[Estate]:
    """A fresh data folder; gone afterwards."""
    folder = fresh_folder()
    made = Estate(folder / "data", url)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def estate(url: str) -> Iterator[Estate]:
    """One with a gate on it."""
    with bare_estate(url) as made, Gate(made.data, made.database, made.orders):
        yield made


@contextmanager
def premises(url: str, scene: Scene) -> Iterator[tuple[Estate, Premises]]:
    """One with all that a shipped playbook acts upon."""
    servers = [str(alert["server"]) for alert in scene.alerts if alert.get("server")]
    principals = [str(alert["principal"]) for alert in scene.alerts if alert.get("principal")]
    with (
        bare_estate(url) as made,
        Premises(made.data, made.database, made.journal, servers, principals) as there,
    ):
        know(made, scene)
        if scene.is_asked:
            _open(made, scene)
        yield made, there


class Scene(msgspec.Struct, frozen=True):
    """A playbook and the alerts that it is about."""

    shelved: Shelved
    alerts: tuple[dict[str, Any], ...]
    is_asked: bool = False
    """Whether a person has it run; else its alerts do."""
    given: dict[str, str] = {}
    """What the person says."""

    @property
    def name(self) -> str:
        return self.shelved.playbook.id + (" by hand" if self.is_asked else "")


_FLAW = {"version": ">=1.0,<1.4", "secret": "signing key"}
_BY_HAND: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "destructive_action": ([{"rule": "c", "name": "tool_changed", "server": "db", "target": "drop"}], {}),
    "injection": (
        [
            {
                **{"rule": "i", "playbook": "injection", "name": "hidden_instruction_in_result", "outcome": "allow"},
                **{"server": "mail", "target": "fetch", "principal": "agent:desk"},
            },
            {
                **{"rule": "j", "playbook": "injection", "name": "admin_after_strangers", "outcome": "allow"},
                **{"server": "mail", "target": "grant"},
            },
        ],
        {},
    ),
    "platform_compromised": (
        [],
        {"source": "pypi", "client": "agent:desk", "secret": "signing key", "server": "files"},
    ),
    "rug_pull": (
        [
            {
                **{"rule": "secret_leaving", "server": "files", "target": "send", "principal": "agent:build"},
                "tags": ["attack.exfiltration"],
            },
            {
                **{"rule": "changed_tool_called", "server": "files", "target": "read_file", "outcome": "allow"},
                **{"principal": "agent:desk", "context": {"identity": {"says": {"grants": 1}}}},
            },
        ],
        {"version": _FLAW["version"], "fingerprint": "sha256:" + "c" * 64},
    ),
    "stolen_secrets": ([], {**_FLAW, "source": "pypi"}),
    "vulnerable_server": ([], {**_FLAW, "client": "agent:build"}),
}
"""What the steps take that a playbook's fullest test leaves out: more alerts, and a person's words."""


def scenes() -> list[Scene]:
    """Every shipped playbook, and one with every kind of gate, with the test of it that does the most; and once more by
    hand where that leaves steps out."""
    paths = [path for folder in (ROOT / "content" / "playbooks", BOOKS) for path in sorted(folder.glob("*.yaml"))]
    found = []
    for shelved in load_files(paths, load_actions()):
        trial = max(shelved.playbook.tests, key=lambda one: len(one.trace))
        found.append(Scene(shelved, tuple(trial.alerts)))
        if shelved.playbook.id in _BY_HAND:
            more, given = _BY_HAND[shelved.playbook.id]
            found.append(Scene(shelved, (*trial.alerts, *more), is_asked=True, given=given))
    return found


def know(made: Estate, scene: Scene) -> None:
    """Have the registry know every tool that the alerts name, each with two definitions."""
    for alert in scene.alerts:
        name, at = str(alert.get("target", "")), str(alert.get("server", ""))
        if not name or not at:
            continue
        for text in ("does a thing", "does a thing, and mails it"):
            tool = {"name": name, "description": text, "inputSchema": {"type": "object"}}
            made.pins.observe(at, definitions_in("tools/list", json.dumps({"tools": [tool]}).encode()), {})


def begin(made: Estate, scene: Scene) -> list[Event]:
    """The alerts, the last first, so that whatever may follow from all of them follows once; or, with the alerts known,
    what a person asks for."""
    if not scene.is_asked:
        return _raise(made, scene.alerts[::-1])
    ledger = Ledger(made.database, made.journal, made.reader)
    (incident,) = IncidentDesk(made.database, ledger, CLOCK).list()
    desk, asked = PlaybookDesk(made.database, ledger, CLOCK), {"by": "operator:ann", "reason": "it has to be seen to"}
    desk.ask(scene.shelved, incident.number, load_actions(), Authority(), given=scene.given, **asked)
    return []


def _raise(made: Estate, alerts: Sequence[dict[str, Any]]) -> list[Event]:
    told = [{**one, "labels": tuple(one.get("labels", ()))} for one in alerts]
    return [made.raise_alert(number, **alert) for number, alert in enumerate(told, 1)]


def _open(made: Estate, scene: Scene) -> None:
    """The incident that a person asks for: known before any life is there that would answer its alerts by itself."""
    intake = made.service(settings=RespondSettings(enabled=False)).intake
    for event in _raise(made, scene.alerts):
        intake.take(alert_of(event))


def runs_of(scene: Scene) -> int:
    """How many runs it brings."""
    if scene.is_asked:
        return 1
    with bare_estate("") as made:
        know(made, scene)
        intake = made.service(settings=RespondSettings(playbooks=str(BOOKS))).intake
        return sum(len(intake.take(alert_of(event))) for event in begin(made, scene))
