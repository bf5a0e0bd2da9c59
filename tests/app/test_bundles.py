"""Signed policies in a real gateway: installed by one command, in force everywhere, kept when the rest is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.app.conftest import command, environment
from tests.app.gateway_process import GatewayProcess, gateway_process, until
from tests.app.mcp_server import Keeper, small_server
from watchkeeper.app.bundle_status import policies_in_force
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.events import JournalReader
from watchkeeper.events.model import Event
from watchkeeper.policy.bundles import Parts, build, sign

pytestmark = pytest.mark.timeout(180)
WORKERS = [1, pytest.param(2, marks=pytest.mark.skipif(sys.platform != "linux", reason="one worker elsewhere"))]
_FORBID = """@id("mine.no-{0}") @reason("No.")
forbid (principal, action == Action::"call_tool", resource == Tool::"srv/{0}");"""
NO_ECHO, HARMLESS = _FORBID.format("echo"), _FORBID.format("dance")


class Estate:
    """A data folder whose settings trust two people, of whom both have to sign."""

    def __init__(self, folder: Path, server: Keeper) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(mode=0o700)
        self.ann, self.bob = SigningKey.generate(), SigningKey.generate()
        self.server = server
        self.write()

    def write(self, *, keys: dict[str, SigningKey] | None = None) -> None:
        trusted = {name: public_text(key.public) for name, key in (keys or {"ann": self.ann, "bob": self.bob}).items()}
        lines = ", ".join(f'{name} = "{text}"' for name, text in trusted.items())
        (self.data / "watchkeeper.toml").write_text(
            f'[gateway]\nport = 0\n[servers.srv]\nurl = "{self.server.url}"\n'
            f"[policy.trust]\nthreshold = {len(trusted)}\nkeys = {{ {lines} }}\n"
        )

    def bundle(self, version: int, text: str, *keys: SigningKey) -> Path:
        parts = Parts({"mine/mine.cedar": text}, {})
        envelope = build(parts, version=version, created="t", description="", windows={})
        for key in keys or (self.ann, self.bob):
            envelope = sign(envelope, key)
        path = self.folder / f"bundle-{version}.json"
        path.write_bytes(envelope.raw())
        return path

    def run(self, *words: object) -> tuple[int, Any]:
        done = command("policy", *map(str, words), "--data", str(self.data), "--json")
        return done.returncode, msgspec.json.decode(done.stdout or done.stderr)

    def events(self, kind: str) -> list[Event]:
        records = JournalReader(self.data).read({}, limit=100_000)
        return [record.event for record in records if record.event and record.event.kind == kind]


@contextmanager
def serving(one: Estate, workers: int = 1) -> Iterator[GatewayProcess]:
    with gateway_process(one.folder, "--data", str(one.data), "--workers", str(workers)) as running:
        yield running


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Estate]:
    with small_server() as server:
        yield Estate(tmp_path, server)


def is_denied(running: GatewayProcess) -> bool:
    client = running.client()
    try:
        return bool(client.call().json["result"].get("isError"))
    finally:
        client.close()


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.behaviour("policy.bundle-in-force")
def test_a_bundle_is_in_force_in_every_worker_when_the_command_returns_and_so_is_a_roll_back(
    one: Estate, workers: int
) -> None:
    first, second = one.bundle(1, HARMLESS), one.bundle(2, NO_ECHO)
    with serving(one, workers) as running:
        assert [is_denied(running) for _ in range(4)] == [False] * 4
        for file, denied in ((first, False), (second, True)):
            code, told = one.run("bundle", "install", file)
            assert (code, told["gateways"], told["late"]) == (0, workers, []), told
            assert [is_denied(running) for _ in range(6)] == [denied] * 6
        code, told = one.run("rollback", "--reason", "calls fail")
        assert (code, told["version"], told["late"]) == (0, 1, []), told
        assert [is_denied(running) for _ in range(6)] == [False] * 6
        code, rows = one.run("status")
        assert (code, {row["bundle"]["version"] for row in rows}, len(rows)) == (0, {1}, workers)
        # each worker has a log of its own, and nothing says in which order logs are read
        decided = sorted(one.events("gateway.request.decided"), key=lambda event: event.time)
        sets = [event.body["policy"] for event in decided if event.target == "echo"]
        assert len(set(sets)) == 3
        assert sets[-1] == rows[0]["policies"]
    applied = [event.body["version"] for event in one.events("policy.bundle.applied")]
    assert sorted(applied) == sorted([1, 2, 1] * workers)
    assert command("journal", "verify", str(one.data)).returncode == 0


@pytest.mark.behaviour("policy.bundle-in-force")
def test_a_push_that_is_lost_is_found_within_a_second(one: Estate) -> None:
    """Somebody else writes the control state and tells nobody."""
    with serving(one) as running:
        script = (
            "import sys\nfrom watchkeeper.gateway.orders import OrderBook\n"
            "OrderBook.tell = lambda *a: None\nfrom watchkeeper.cli import main\nmain(sys.argv[1:])"
        )
        file = one.bundle(1, NO_ECHO)
        words = [sys.executable, "-c", script, "policy", "bundle", "install", str(file), "--data", str(one.data)]
        subprocess.run(words, env=environment(), check=True, capture_output=True, timeout=60)
        ordered = time.monotonic()
        until(lambda: is_denied(running), within=5)
        assert time.monotonic() - ordered < 1.0


@pytest.mark.behaviour("policy.bundle-refused")
def test_what_is_refused_changes_nothing_and_is_recorded(one: Estate) -> None:
    stranger = SigningKey.generate()
    with serving(one) as running:
        assert one.run("bundle", "install", one.bundle(2, HARMLESS))[0] == 0
        changed = one.bundle(3, NO_ECHO)
        changed.write_bytes(changed.read_bytes().replace(b'"sig":"', b'"sig":"A', 1))
        bad_test = Parts({"m/m.cedar": NO_ECHO, "m/m.tests.yaml": "cases: [{name: a, effect: deny, rules: []}]"}, {})
        failing = build(bad_test, version=4, created="t", description="", windows={})
        path = one.folder / "failing.json"
        path.write_bytes(sign(sign(failing, one.ann), one.bob).raw())
        for file, code in (
            (one.bundle(5, NO_ECHO, one.ann), 76),
            (one.bundle(6, NO_ECHO, one.ann, stranger), 76),
            (one.bundle(1, NO_ECHO), 76),
            (changed, 65),
            (path, 65),
            (one.bundle(7, "permit ("), 65),
        ):
            assert one.run("bundle", "install", file)[0] == code, file
        assert not is_denied(running)
        assert one.run("status")[1][0]["bundle"]["version"] == 2
        assert [bundle["version"] for bundle in one.run("bundle", "list")[1]["bundles"]] == [2]
    refused = one.events("policy.bundle.refused")
    assert [event.body["code"] for event in refused] == ["untrusted"] * 3 + ["invalid"] * 2


@pytest.mark.behaviour("policy.bundle-crash")
def test_a_process_that_dies_between_installing_and_activating_has_changed_nothing(one: Estate) -> None:
    script = (
        "import os, sys\nfrom watchkeeper.gateway.bundles import BundleBook\n"
        "BundleBook.activate = lambda *a: os._exit(9)\nfrom watchkeeper.cli import main\nmain(sys.argv[1:])"
    )
    file = one.bundle(1, NO_ECHO)
    with serving(one) as running:
        words = [sys.executable, "-c", script, "policy", "bundle", "install", str(file), "--data", str(one.data)]
        assert subprocess.run(words, env=environment(), check=False, capture_output=True, timeout=60).returncode == 9
        assert not is_denied(running)
        told = one.run("bundle", "list")[1]
        assert ([b["version"] for b in told["bundles"]], told["moves"]) == ([1], [])
        assert one.run("bundle", "install", file)[0] == 0
        assert is_denied(running)
    assert len(one.events("policy.bundle.installed")) == 1


@pytest.mark.behaviour("policy.bundle-one-wins")
def test_of_two_commands_that_install_one_version_at_once_one_wins(one: Estate) -> None:
    files = []
    for number, text in enumerate((NO_ECHO, HARMLESS)):
        path = one.bundle(1, text)
        files.append(path.rename(one.folder / f"rival-{number}.json"))
    with serving(one):
        words = [sys.executable, "-m", "watchkeeper", "policy", "bundle", "install"]
        rivals = [
            subprocess.Popen([*words, str(file), "--data", str(one.data)], env=environment(), stdout=-3, stderr=-3)
            for file in files
        ]
        assert sorted(rival.wait(60) for rival in rivals) == [0, 76]
        told = one.run("bundle", "list")[1]
        assert (len(told["bundles"]), len(told["moves"])) == (1, 1)


@pytest.mark.behaviour("policy.bundle-kept")
def test_a_gateway_that_finds_no_control_state_goes_on_by_its_last_bundle_and_says_so(one: Estate) -> None:
    with serving(one) as running:
        assert one.run("bundle", "install", one.bundle(1, NO_ECHO))[0] == 0
        assert is_denied(running)
    for file in one.data.glob("state.db*"):
        file.unlink()
    with serving(one) as running:
        assert is_denied(running)
        (row,) = policies_in_force(one.data)
        assert row["bundle"]["version"] == 1
        assert "stays in force" in row["note"]
        assert one.run("status")[0] != 0
        assert one.run("bundle", "install", one.bundle(2, HARMLESS))[0] == 0
        assert not is_denied(running)
        assert policies_in_force(one.data)[0]["note"] == ""


@pytest.mark.behaviour("policy.bundle-kept")
def test_an_older_control_state_takes_nothing_back(one: Estate) -> None:
    """A restored backup, or an attacker with a copy of the database."""
    with serving(one):
        assert one.run("bundle", "install", one.bundle(1, HARMLESS))[0] == 0
    backup = one.folder / "backup"
    backup.mkdir()
    for file in one.data.glob("state.db*"):
        shutil.copy(file, backup)
    with serving(one):
        assert one.run("bundle", "install", one.bundle(2, NO_ECHO))[0] == 0
    for file in one.data.glob("state.db*"):
        file.unlink()
    for file in backup.iterdir():
        shutil.copy(file, one.data)
    with serving(one) as running:
        assert is_denied(running)
        assert policies_in_force(one.data)[0]["bundle"]["version"] == 2


@pytest.mark.behaviour("policy.bundle-trust-local")
def test_a_gateway_looks_at_signatures_itself(one: Estate) -> None:
    """The control state holds a bundle that this gateway's settings do not trust."""
    with serving(one) as running:
        assert one.run("bundle", "install", one.bundle(1, HARMLESS))[0] == 0
        one.write(keys={"carl": SigningKey.generate()})
        assert command("reload", "--data", str(one.data)).returncode == 76
        assert not is_denied(running)
    with pytest.raises(AssertionError), serving(one):
        pass


def test_the_kept_copy_is_no_way_in(one: Estate) -> None:
    with serving(one):
        assert one.run("bundle", "install", one.bundle(1, NO_ECHO))[0] == 0
    path = one.data / "policy" / "in-force.json"
    raw = path.read_bytes()
    forged = one.bundle(9, HARMLESS, one.ann).read_bytes()
    path.write_bytes(msgspec.json.encode({"stamp": 2**52, "envelope": forged.decode()}))
    with pytest.raises(AssertionError), serving(one):
        pass
    path.write_bytes(raw)
    os.utime(path)
    with serving(one) as running:
        assert is_denied(running)
