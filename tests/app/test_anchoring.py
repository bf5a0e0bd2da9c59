"""Copies of checkpoints from the settings to the exit code: what the watch copies, what the command line says of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from watchkeeper.app.anchoring import anchors_of, places_of, with_anchors
from watchkeeper.app.settings import Loaded, Settings, load
from watchkeeper.cli import main
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import Journal, JournalReader, JournalSettings, new_event
from watchkeeper.events.anchors.model import Compared, read_name
from watchkeeper.events.journal.outside import AnchorSettings


def settings(tmp_path: Path, **anchor: object) -> Loaded:
    chosen = Settings(journal=JournalSettings(anchors={"vault": AnchorSettings(**anchor)}))
    return Loaded(chosen, tmp_path)


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        ({}, "one of folder, bucket and url"),
        ({"folder": "/a", "url": "https://x.example"}, "one of folder, bucket and url"),
        ({"folder": "relative"}, "no full path"),
        ({"bucket": "b"}, "access_key and secret_key"),
        ({"bucket": "b", "access_key": "plain", "secret_key": "env:S"}, "by reference"),
        ({"url": "https://x.example"}, "needs a secret"),
        ({"url": "http://x.example", "secret": "env:HOOK"}, "not https"),
        ({"url": "https://x.example", "secret": "env:NOWHERE_SET"}, "not set"),
    ],
)
def test_a_place_that_cannot_work_is_said_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anchor: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + "A" * 44)
    monkeypatch.setenv("S", "secret")
    with pytest.raises(Misconfigured, match=said):
        places_of(settings(tmp_path, **anchor))


def test_every_kind_of_place_is_made_of_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + "A" * 44)
    kinds = {
        "FolderPlace": {"folder": "/mnt/vault"},
        "BucketPlace": {"bucket": "b", "access_key": "env:HOOK", "secret_key": "env:HOOK"},
        "WebhookPlace": {"url": "https://anchors.example/one", "secret": "env:HOOK"},
    }
    made = {kind: type(places_of(settings(tmp_path, **anchor))[0].place).__name__ for kind, anchor in kinds.items()}
    assert made == {kind: kind for kind in kinds}
    with pytest.raises(Misconfigured, match="no place"):
        anchors_of(Loaded(Settings(), tmp_path))


def test_what_is_not_known_is_never_intact() -> None:
    unknown, fits = Compared(place="a", writer="w", failure="silent"), Compared(place="a", writer="w")
    assert [with_anchors(code, [fits, unknown]) for code in (0, 1, 2, 3)] == [2, 1, 2, 2]
    assert [with_anchors(code, [fits]) for code in (0, 1, 2, 3)] == [0, 1, 2, 3]


class Folder:
    """A data folder, its settings and its vault."""

    def __init__(self, root: Path) -> None:
        self.data, self.vault, self.config = root / "data", root / "vault", root / "watchkeeper.toml"
        self.vault.mkdir()
        self.config.write_text(f'[journal.anchors.vault]\nfolder = "{self.vault}"\nevery_seconds = 3600\n')

    def record(self, count: int, writer: str = "gateway", first: int = 0) -> None:
        log = Journal.open(self.data, writer)
        for number in range(first, first + count):
            last = log.append(new_event(number, "gateway.request.decided", actor="agent:ada"))
        log.wait(last)
        log.close()

    def ask(self, *command: str) -> tuple[int, dict[str, object]]:
        options = ["--data", str(self.data), "--config", str(self.config), "--json"]
        done = CliRunner().invoke(main, ["journal", *command, *options], catch_exceptions=False)
        return done.exit_code, json.loads(done.stdout)

    def sizes(self, writer: str) -> list[int]:
        found = (read_name(path.name) for path in (self.vault / writer).iterdir())
        return sorted(copy.size for copy in found if copy)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.behaviour("journal.anchors-verified")
def test_the_command_line_says_whether_a_log_fits_its_copies(folder: Folder) -> None:
    folder.record(9)
    assert folder.ask("verify", "--anchors")[1]["anchors"][0]["copies"] == 0
    code, said = folder.ask("anchors", "--copy")
    assert (code, said["failures"], said["anchors"][0]["newest"]) == (0, [], 10)
    folder.record(5)
    assert folder.ask("verify", "--anchors")[0] == 0
    shutil.rmtree(folder.data / "journal" / "gateway")
    shutil.rmtree(folder.data / "run")
    folder.record(30, first=100)
    assert folder.ask("verify")[0] == 0
    code, said = folder.ask("verify", "--anchors")
    assert (code, said["code"], said["logs"][0]["code"]) == (1, 1, 0)
    assert "rewritten" in said["anchors"][0]["contradictions"][0]["reason"]
    words = CliRunner().invoke(main, ["journal", "anchors", "--data", str(folder.data), "--config", str(folder.config)])
    assert (words.exit_code, "CONTRADICTED" in words.output) == (1, True)


@pytest.mark.behaviour("journal.anchors-verified")
def test_a_place_that_is_not_there_is_neither_intact_nor_tampered(folder: Folder) -> None:
    folder.record(9)
    folder.vault.rmdir()
    code, said = folder.ask("verify", "--anchors")
    assert (code, said["logs"][0]["code"]) == (2, 0)
    assert folder.ask("anchors", "--copy")[0] == 2


@pytest.mark.slow
@pytest.mark.behaviour("journal.anchors-copied")
def test_the_watch_copies_at_its_start_and_all_logs_at_its_end(folder: Folder) -> None:
    folder.record(9)
    command = [sys.executable, "-m", "watchkeeper", "service", "watch", "--data", str(folder.data)]
    process = subprocess.Popen(
        [*command, "--config", str(folder.config)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONWARNINGS": ""}
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["ready"] == "watch"
    folder.record(4)  # the next copy would be due in an hour
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()
    assert folder.sizes("gateway")[-1] == 15
    reader = JournalReader(folder.data)
    watch = [record for record in reader.read({}, 10_000) if record.position.writer == "watch"]
    reader.close()
    assert watch[-1].event is not None
    assert watch[-1].event.kind == "admin.service.stopped"
    assert folder.sizes("watch")[-1] == len(watch), "its own last words too"
    assert folder.ask("verify", "--anchors")[0] == 0


def test_the_settings_file_is_read(folder: Folder) -> None:
    anchors = load(folder.config, folder.data).settings.journal.anchors
    assert (anchors["vault"].folder, anchors["vault"].every_seconds) == (str(folder.vault), 3600)
