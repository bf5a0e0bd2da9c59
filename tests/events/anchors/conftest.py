"""Real places: a folder, an object store that speaks S3, a receiver that keeps what it is sent."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from moto.server import ThreadedMotoServer

from watchkeeper.core.clock import SystemClock
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.events import Event, Journal
from watchkeeper.events.anchors.bucket import Bucket, BucketPlace
from watchkeeper.events.anchors.folder import FolderPlace
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.anchors.sigv4 import Credentials
from watchkeeper.events.anchors.webhook import WebhookPlace
from watchkeeper.respond.webhooks.signing import sign, verify

Make = Callable[..., Event]
HOOK_KEY = b"k" * 32
HOOK_KEYS = (HOOK_KEY,)
SECRET = "whsec_" + base64.b64encode(HOOK_KEY).decode()


def append(data_dir: Path, make_event: Make, first: int, count: int, writer: str = "gateway") -> None:
    """`count` records and the opening's."""
    journal = Journal.open(data_dir, writer)
    for number in range(first, first + count):
        index = journal.append(make_event(number))
        if number % 7 == 0:
            journal.wait(index)
    journal.wait(index)
    journal.close()


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """An object store's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Receiver(ThreadingHTTPServer):
    """What docs/concepts/journal.md asks of a receiver, in thirty lines."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kept: dict[tuple[str, str], str] = {}
        self.answer = 0
        """Answered to everything, if it is not 0."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/anchors?estate=one"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self._is_refused(body):
            return
        said = json.loads(body)
        key = (said["writer"], said["name"])
        is_new = key not in self.server.kept
        self.server.kept.setdefault(key, said["data"])
        self._say(201 if is_new else 409, {})

    def do_GET(self) -> None:
        if self._is_refused(f"http://{self.headers['host']}{self.path}".encode()):
            return
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        kept = self.server.kept
        if "name" in asked:
            data = kept.get((asked["writer"], asked["name"]))
            self._say(404 if data is None else 200, {} if data is None else {"data": data})
        elif "writer" in asked:
            names = sorted(name for writer, name in kept if writer == asked["writer"] and name > asked.get("after", ""))
            self._say(200, {"names": names[:2]})  # pages as small as can be
        else:
            self._say(200, {"writers": sorted({writer for writer, _ in kept})})

    def _is_refused(self, signed: bytes) -> bool:
        now = SystemClock().now() // 1_000_000
        heads = [self.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
        verify(HOOK_KEYS, *heads, signed, now=now)
        if self.server.answer:
            self._say(self.server.answer, {})
        return bool(self.server.answer)

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetcher_for(url: str) -> Fetcher:
    parts = urlsplit(url)
    return Fetcher(FetchSettings(allow_hosts=(f"http://{parts.hostname}:{parts.port}",)))


def bucket_place(store: str, bucket: str) -> BucketPlace:
    """A place in a new bucket."""
    place = BucketPlace(
        "bucket",
        Bucket(store, bucket, "one/estate"),
        Credentials("AKIATEST", "not-secret", "us-east-1"),
        fetcher_for(store),
        SystemClock(),
    )
    place._ask("PUT", "", {}, {}, b"")
    return place


@pytest.fixture(params=["folder", "bucket", "webhook"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of each kind."""
    if request.param == "folder":
        (tmp_path / "mount").mkdir()
        return FolderPlace("folder", tmp_path / "mount")
    if request.param == "bucket":
        name = "b" + base64.b32encode(tmp_path.name.encode()).decode().lower().strip("=")[-40:]
        return bucket_place(request.getfixturevalue("store"), name)
    url = request.getfixturevalue("receiver").url
    signs = lambda id_, seconds, body: sign(HOOK_KEYS, id_, seconds, body)  # noqa: E731 — as `app` wires it
    return WebhookPlace("webhook", url, signs, fetcher_for(url), SystemClock())
