"""Polls of sources, over loopback and the client that guards every fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.detect.intelligence.serving import Documents, served
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.detect.intelligence.collecting.polling import Poller
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Indicator, Tlp, Type
from watchkeeper.detect.intelligence.sharing.objects import Shared, shared
from watchkeeper.detect.intelligence.sharing.server import COLLECTION, TaxiiServer

HOUR = 3_600_000_000


class Desk:
    """A library, its poller, and what it told."""

    def __init__(self, folder: Path, url: str, **fetch: Any) -> None:
        self.clock = ManualClock()
        self.library = Library(folder, self.clock)
        self.told: list[tuple[str, str]] = []
        settings = FetchSettings(allow_hosts=(url,), **fetch)
        secrets = SecretReader({"TOKEN": "token"})
        self.poller = Poller(self.library, lambda: Fetcher(settings), secrets, self.clock, self.tell)

    def tell(self, what: str, name: str, body: dict[str, Any]) -> None:
        self.told.append((what, name))

    def add(self, **source: Any) -> None:
        self.library.add_source(Source(name="feed", added=self.clock.now(), **source))

    def poll(self) -> tuple[int, int]:
        done = self.poller.poll(self.library.register.get("feed"))
        return done.read, done.added

    @property
    def source(self) -> Source:
        return self.library.register.get("feed")


def objects(number: int, time: int) -> list[Shared]:
    every = (
        Indicator(
            type=Type.DOMAIN, value=f"n{at}.net", id="", source="s", confidence=80, valid_from=0, valid_until=0,
            modified=time, tlp=Tlp.GREEN, added=time + at, confirmed=time + at,
        )
        for at in range(number)
    )  # fmt: skip
    return shared(every, {}, name="Them", limit=Tlp.GREEN, now=time)


@pytest.mark.behaviour("intel.taxii-client")
def test_our_client_reads_our_server_page_by_page_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    clock = ManualClock()
    there = objects(2500, clock.now())
    with served(TaxiiServer(lambda: there, Secret("token"))) as url:
        desk = Desk(tmp_path, url, max_bytes=2_000_000)
        desk.add(kind="taxii", url=f"{url}/api/collections/{COLLECTION}/", auth="Bearer env:TOKEN")
        assert desk.poll() == (2500, 2500)
        assert desk.poll() == (0, 0)
        there = objects(2501, clock.now())
        assert desk.poll() == (1, 1)
    assert (desk.library.open().head.keys, desk.source.trouble, desk.told) == (2501, "", [("imported", "feed")] * 2)


@pytest.mark.behaviour("intel.polls")
def test_a_source_that_fails_waits_longer_each_time_and_what_it_said_stays(tmp_path: Path) -> None:
    pages = Documents({"/list.txt": (200, "text/plain", b"evil.net\nworse.net\n")})
    with served(pages) as url:
        desk = Desk(tmp_path, url)
        desk.add(kind="list", url=f"{url}/list.txt", auth="Bearer env:TOKEN")
        assert desk.poller.poll_due() == 1
        assert (pages.asked, desk.poller.poll_due()) == ([("/list.txt", "Bearer token")], 0)
        pages.documents["/list.txt"] = (500, "text/plain", b"")
        waited = []
        for _ in range(3):
            hours = 0
            while not desk.poller.poll_due():
                desk.clock.advance(HOUR)
                hours += 1
            waited.append(hours)
        assert (waited, desk.source.failures, "500" in desk.source.trouble) == ([1, 2, 4], 3, True)
        assert (desk.source.is_stale(desk.clock.now()), desk.library.open().has(b"d:evil.net")) == (True, True)
        pages.documents["/list.txt"] = (200, "text/plain", b"evil.net\n")
        desk.clock.advance(24 * HOUR)
        assert desk.poller.poll_due() == 1
    assert (desk.source.failures, desk.source.trouble, desk.source.is_stale(desk.clock.now())) == (0, "", False)
    assert (desk.library.open().has(b"d:evil.net"), desk.library.open().has(b"d:worse.net")) == (True, False)
    assert desk.told == [("imported", "feed"), ("failed", "feed"), ("imported", "feed")]


@pytest.mark.behaviour("intel.polls")
def test_a_misp_feed_is_read_by_its_manifest_and_only_what_is_newer(tmp_path: Path) -> None:
    def event(value: str) -> bytes:
        return json.dumps({"Event": {"Attribute": [{"type": "domain", "value": value, "to_ids": True}]}}).encode()

    pages = Documents(
        {
            "/feed/manifest.json": (200, "application/json", b'{"a1":{"timestamp":"5"},"../x":{"timestamp":"6"}}'),
            "/feed/a1.json": (200, "application/json", event("evil.net")),
            "/feed/b2.json": (200, "application/json", event("worse.net")),
        }
    )
    with served(pages) as url:
        desk = Desk(tmp_path, url)
        desk.add(kind="misp", url=f"{url}/feed")
        assert (desk.poll(), desk.source.cursor) == ((1, 1), "5")
        manifest = b'{"a1":{"timestamp":"5"},"b2":{"timestamp":9}}'
        pages.documents["/feed/manifest.json"] = (200, "application/json", manifest)
        assert (desk.poll(), desk.source.cursor) == ((1, 1), "9")
    assert [path for path, _ in pages.asked].count("/feed/a1.json") == 1


@pytest.mark.behaviour("intel.polls")
@pytest.mark.parametrize(
    "answer",
    [
        (401, "application/json", b"{}"),
        (200, "text/html", b"<html>"),
        (200, "application/json", b"[" * 100_000),
        (200, "application/json", b'{"more": true, "objects": [{"type": "x"}]}'),
        (200, "application/json", b"x" * 300_000),
        (302, "application/json", b""),
    ],
    ids=range(6),
)
def test_a_hostile_or_broken_server_costs_nothing_but_its_poll(tmp_path: Path, answer: tuple[int, str, bytes]) -> None:
    with served(Documents({"/c/objects/": answer})) as url:
        desk = Desk(tmp_path, url)
        desk.add(kind="taxii", url=f"{url}/c/")
        with pytest.raises(WatchkeeperError):
            desk.poll()
    assert (desk.source.failures, desk.source.cursor, desk.told) == (1, "", [("failed", "feed")])


@pytest.mark.behaviour("intel.polls")
def test_a_source_on_ones_own_network_is_not_asked_unless_the_settings_say_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "other.test:1")
    desk.add(kind="list", url="https://127.0.0.1:9/list.txt")
    with pytest.raises(WatchkeeperError) as refused:
        desk.poll()
    assert refused.value.code == "fetch_refused"
    assert msgspec.json.decode(msgspec.json.encode(desk.source), type=Source) == desk.source
