"""What a verifier outside finds out from tiles: the real verifier, in a Python that has nothing of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from watchkeeper.core.errors import Untrusted
from watchkeeper.events import Event, Journal, Position
from watchkeeper.events.journal import prove_position, verifier
from watchkeeper.events.journal.tiles.export import export
from watchkeeper.events.journal.tiles.layout import ENTRIES, Tile
from watchkeeper.events.journal.tiles.shelf import Shelf

Make = Callable[..., Event]
LATER = 1100
"""Records in the end: four full tiles and a part of one."""


def append(data_dir: Path, make_event: Make, first: int, count: int) -> None:
    journal = Journal.open(data_dir, "gateway")
    for number in range(first, first + count):
        index = journal.append(make_event(number))
        if number % 90 == 0:
            journal.wait(index)
    journal.close()


class Estate:
    """A journal, what an auditor keeps of it, and its tiles as static files."""

    def __init__(self, root: Path, make_event: Make) -> None:
        self.data, self.tiles = root / "data", root / "tiles"
        append(self.data, make_event, 0, 300)
        export(self.data, self.tiles)
        self.key = root / "known.vkey"
        shutil.copy(self.tiles / "gateway" / "public.vkey", self.key)
        self.old = root / "old.note"
        shutil.copy(self.tiles / "gateway" / "checkpoint", self.old)
        append(self.data, make_event, 300, LATER - 302)
        self.proof = root / "proof.json"
        self.proof.write_text(json.dumps(prove_position(self.data, Position("gateway", 400))))
        export(self.data, self.tiles)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_event: Make) -> Estate:
    return Estate(tmp_path_factory.mktemp("estate"), make_event)


@pytest.fixture
def estate(made: Estate, tmp_path: Path) -> Estate:
    """A copy to hurt."""
    twin = object.__new__(Estate)
    root = Path(shutil.copytree(made.data.parent, tmp_path / "estate"))
    twin.data, twin.tiles, twin.key = root / "data", root / "tiles", root / "known.vkey"
    twin.old, twin.proof = root / "old.note", root / "proof.json"
    return twin


def run(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    script = Path(shutil.copy(verifier.__file__, folder / "verifier.py"))
    command = [sys.executable, "-I", "-S", str(script), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def check(estate: Estate, *more: object, tiles: object = None) -> subprocess.CompletedProcess[str]:
    where = tiles or estate.tiles / "gateway"
    return run(estate.data.parent, "--tiles", where, "--key", estate.key, *more)


@pytest.mark.behaviour("journal.tiles-verify-outside")
def test_signature_root_growth_and_a_record_are_shown_from_a_folder(made: Estate) -> None:
    kept = made.data.parent / "new.note"
    done = check(made, "--from", made.old, "--all", "--save", kept, made.proof)
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert words == ["signature", "root", "consistency", "record", "inclusion", "everything", "HOLDS"]
    assert f"a tree of {LATER}" in done.stdout or f"tree of {LATER}" in done.stdout
    assert kept.read_bytes() == (made.tiles / "gateway" / "checkpoint").read_bytes()


def test_without_a_kept_checkpoint_it_says_what_it_did_not_show(made: Estate) -> None:
    done = check(made)
    assert done.returncode == 0
    assert "no checkpoint kept from earlier" in done.stdout


@pytest.fixture
def web(made: Estate) -> Iterator[str]:
    """Any web server does: this is the standard library's."""
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(made.tiles)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/gateway"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_same_is_shown_over_http(made: Estate, web: str) -> None:
    done = check(made, "--from", made.old, made.proof, tiles=web)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "HOLDS")


def test_what_cannot_be_reached_shows_nothing(made: Estate) -> None:
    assert check(made, tiles=made.tiles / "nobody").returncode == 2
    assert check(made, tiles="ftp://example.org/log").returncode == 2


@pytest.mark.behaviour("journal.tiles-verify-outside")
def test_a_log_that_was_rewritten_with_its_own_key_contradicts_what_was_kept(estate: Estate, make_event: Make) -> None:
    for path in (estate.data / "journal" / "gateway").glob("*.seg"):
        path.unlink()
    (estate.data / "journal" / "gateway" / "latest.note").unlink()
    shutil.rmtree(estate.data / "run")
    append(estate.data, make_event, 5000, LATER)  # root has the key: signatures and roots all fit
    shutil.rmtree(estate.tiles)
    export(estate.data, estate.tiles)
    assert check(estate, "--all").returncode == 0
    done = check(estate, "--from", estate.old)
    assert (done.returncode, "it was rewritten" in done.stderr) == (1, True)
    assert check(estate, estate.proof).returncode == 1


def test_a_log_that_was_cut_contradicts_what_was_kept(estate: Estate, made: Estate) -> None:
    newest = made.tiles / "gateway" / "checkpoint"
    (estate.tiles / "gateway" / "checkpoint").write_bytes(estate.old.read_bytes())
    done = check(estate, "--from", newest)
    assert (done.returncode, "it was cut" in done.stderr) == (1, True)


@pytest.mark.parametrize("tile", [Tile(0, 1), Tile(ENTRIES, 2), Tile(1, 0, 4), Tile(0, 4, LATER % 256)])
def test_a_changed_byte_in_any_tile_is_noticed(estate: Estate, tile: Tile) -> None:
    path = estate.tiles / "gateway" / tile.path
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert check(estate, "--all").returncode == 1


def test_another_logs_key_is_refused(made: Estate) -> None:
    name, _, rest = made.key.read_text().partition("+")
    done = run(made.data.parent, "--tiles", made.tiles / "gateway", "--key", f"{name}x+{rest}")
    assert done.returncode == 2


@pytest.mark.behaviour("journal.tiles-never-two-histories")
def test_tiles_are_not_shown_once_they_contradict_the_log(estate: Estate, make_event: Make) -> None:
    Shelf(estate.data, "gateway").catch_up()
    for path in (estate.data / "journal" / "gateway").glob("*.seg"):
        path.unlink()
    (estate.data / "journal" / "gateway" / "latest.note").unlink()
    shutil.rmtree(estate.data / "run")
    append(estate.data, make_event, 5000, LATER)
    shelf = Shelf(estate.data, "gateway")
    with pytest.raises(Untrusted, match="contradict"):
        shelf.catch_up()
    assert shelf.checkpoint == b""
    with pytest.raises(Untrusted, match="contradict"):
        export(estate.data, estate.tiles)


def test_a_log_shorter_than_its_tiles_is_noticed(estate: Estate, make_event: Make) -> None:
    Shelf(estate.data, "gateway").catch_up()
    for path in (estate.data / "journal" / "gateway").glob("*.seg"):
        path.unlink()
    (estate.data / "journal" / "gateway" / "latest.note").unlink()
    shutil.rmtree(estate.data / "run")
    append(estate.data, make_event, 0, 10)
    with pytest.raises(Untrusted, match="fewer"):
        Shelf(estate.data, "gateway").catch_up()


def test_a_live_log_is_followed(tmp_path: Path, make_event: Make) -> None:
    journal = Journal.open(tmp_path, "gateway")
    shelf = Shelf(tmp_path, "gateway")
    sizes = []
    for number in range(5):
        for each in range(101):
            last = journal.append(make_event(number * 101 + each))
        journal.wait(last)
        sizes.append(shelf.catch_up())
    assert sizes == [102, 203, 304, 405, 506]
    assert shelf.read(Tile(0, 1, 250)) is not None
    assert shelf.read(Tile(0, 1, 251)) is None, "beyond the checkpoint"
    journal.close()
