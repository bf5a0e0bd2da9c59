"""Tiles over HTTP: what is answered, how long it may be kept, what is refused."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.tiling import Tiling, bound, url_of
from watchkeeper.core.errors import Conflict, Misconfigured
from watchkeeper.events import Journal, new_event
from watchkeeper.events.journal import verifier
from watchkeeper.events.journal.outside import TileSettings, address_of
from watchkeeper.web.application import serve_on
from watchkeeper.web.tiles import TileApp

SECRET = "the-record-itself"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    journal = Journal.open(folder, "gateway")
    for number in range(599):
        last = journal.append(new_event(number, "gateway.request.decided", actor="agent:ada", body={"said": SECRET}))
    journal.wait(last)
    journal.close()
    return folder


@pytest.fixture(scope="module")
def tiling(data_dir: Path) -> Tiling:
    tiling = Tiling(data_dir)
    tiling.look()
    return tiling


@pytest.mark.behaviour("journal.tiles-served-read-only")
def test_what_is_there_is_said_with_how_long_it_stays_true(tiling: Tiling) -> None:
    app = tiling.app
    assert app.answer("GET", "/").body == b"gateway\n"
    checkpoint = app.answer("GET", "/gateway/checkpoint")
    assert (checkpoint.status, checkpoint.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert checkpoint.headers["cache-control"] == "public, max-age=2"
    assert checkpoint.body.splitlines()[1] == b"600"
    full, part = app.answer("GET", "/gateway/tile/0/001"), app.answer("GET", "/gateway/tile/0/002.p/88")
    assert (len(full.body), len(part.body)) == (8192, 88 * 32)
    assert "immutable" in full.headers["cache-control"]
    assert full.headers["content-type"] == "application/octet-stream"
    assert app.answer("GET", "/gateway/public.vkey").body.startswith(b"watchkeeper/")


@pytest.mark.parametrize(
    "path",
    [
        "/console/checkpoint", "/gateway", "/gateway/", "/gateway/tile/0/002", "/gateway/tile/0/002.p/89",
        "/gateway/tile/0/003.p/1", "/gateway/../gateway/checkpoint", "/gateway/tile/0/000/../000",
        "/gateway/lock", "/gateway/" + "x" * 5000, "/../keys/subjects.db",
    ],
)  # fmt: skip
def test_nothing_else_is_there(tiling: Tiling, path: str) -> None:
    assert tiling.app.answer("GET", path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nobody_changes_anything(tiling: Tiling, method: str) -> None:
    answer = tiling.app.answer(method, "/gateway/checkpoint")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_contradicted_log_shows_nothing_but_why() -> None:
    class Broken:
        checkpoint, key, failure = b"a note", "a key\n", "two histories"

        def read(self, _: object) -> bytes:
            raise AssertionError

    app = TileApp({"gateway": Broken()})
    assert (app.answer("GET", "/gateway/checkpoint").status, app.answer("GET", "/gateway/tile/0/000").status) == (
        503,
        503,
    )
    assert app.answer("GET", "/gateway/checkpoint").body == b"two histories\n"


@pytest.fixture
def served(tiling: Tiling) -> Iterator[str]:
    import asyncio

    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()
    listener = bound(TileSettings(listen="127.0.0.1:0"))

    async def serve() -> None:
        stop = asyncio.Event()
        stops.append((asyncio.get_running_loop(), stop))
        ready.set()
        await serve_on(tiling.app, listener, stop)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    yield url_of(listener)
    loop, stop = stops[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    listener.close()


@pytest.mark.behaviour("journal.tiles-served-read-only")
def test_the_verifier_reads_it_and_no_record_goes_over_the_wire(served: str, data_dir: Path) -> None:
    key = data_dir / "journal" / "gateway" / "public.vkey"
    command = [
        sys.executable,
        "-I",
        "-S",
        verifier.__file__,
        "--tiles",
        f"{served}/gateway",
        "--key",
        str(key),
        "--all",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "HOLDS")
    connection = http.client.HTTPConnection(served.removeprefix("http://"))
    connection.request("HEAD", "/gateway/tile/entries/000")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-length"], answer.read()) == (200, str(256 * 35), b"")
    connection.request("GET", "/gateway/tile/entries/000")
    assert SECRET.encode() not in connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("listen", ["7320", ":7320", "localhost", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_said_before_anything_starts(listen: str) -> None:
    with pytest.raises(Misconfigured, match=r"journal\.tiles\.listen"):
        address_of(listen)


def test_it_is_off_unless_asked_for_and_a_taken_port_is_said(tmp_path: Path) -> None:
    assert address_of(Loaded(Settings(), tmp_path).settings.journal.tiles.listen) is None
    assert address_of("[::1]:7320") == ("::1", 7320)
    with bound(TileSettings(listen="127.0.0.1:0")) as taken, pytest.raises(Conflict, match=r"journal\.tiles\.listen"):
        bound(TileSettings(listen=f"127.0.0.1:{taken.getsockname()[1]}"))
