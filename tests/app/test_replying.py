"""What pagers and chats send back, over real HTTP: whose it is, once, and what it does to an incident."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.test_webhooks import signed
from tests.respond.conftest import Estate
from tests.respond.webhooks.conftest import KEYS, SECRET
from tests.web.conftest import Desk, clock, desk, serve_console
from watchkeeper.app.inbox import InboxView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.replying import replying_of
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.webhooks import HookDoor
from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.events import JournalReader
from watchkeeper.respond import RespondSettings
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.integrations import IntegrationSettings
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Status
from watchkeeper.respond.oncall.book import OncallBook, is_heard
from watchkeeper.respond.oncall.reading import plan_of
from watchkeeper.respond.oncall.settings import OncallSettings

__all__ = ["clock", "desk", "serve_console"]


class Elsewhere:
    """The other side's hand."""

    def __init__(self, client: httpx.Client, platform: Platform, number: str) -> None:
        self.client = client
        self.platform = platform
        self.number = number

    def send(
        self, message_id: str = "msg_1", name: str = "pager", keys: tuple[bytes, ...] = KEYS, **said: Any
    ) -> httpx.Response:
        body = json.dumps({"incident": self.number, "verb": "acknowledge"} | said).encode()
        headers = signed(body, message_id, self.platform.clock.now() // SECOND, keys)
        return self.client.post(f"/hooks/integrations/{name}", content=body, headers=headers)

    def lines(self) -> list[str]:
        finder = JournalReader(self.platform.data_dir)
        book = IncidentDesk(
            self.platform.database, Ledger(self.platform.database, self.platform.journal, finder), self.platform.clock
        )
        return [entry.what for entry in book.show(self.number).timeline]

    def kinds(self) -> list[str]:
        records = JournalReader(self.platform.data_dir).read({})
        return [record.event.kind for record in records if record.event is not None]


@pytest.fixture
def there(
    serve_console: Callable[..., AbstractContextManager[Any]],
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Elsewhere]:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("REPLIES", SECRET)
    with opened(data, "watch"):
        pass  # the tables, as they are laid down
    estate = Estate(data)
    with estate.responding() as service:
        estate.raise_alert()
        estate.until(lambda: bool(service.incidents.list()))
        number = service.incidents.list()[0].number
    estate.close()
    pager = IntegrationSettings(type="pager", style="pagerduty", secret="env:KEYS", reply_secret="env:REPLIES")
    settings = Settings(respond=RespondSettings(integrations={"pager": pager}))
    with opened(data, "watch") as platform:
        replying = replying_of(Loaded(settings, data), platform)
        inbox = InboxView(platform)
        services = replace(desk.services(), inbox=inbox, hooks=HookDoor(platform, inbox, [], replying))
        with serve_console(services) as running, running.client() as client:
            yield Elsewhere(client, platform, number)


@pytest.mark.behaviour("integrations.replies")
def test_a_signed_word_is_a_line_of_the_incident_and_counts_once(there: Elsewhere) -> None:
    said = {"verb": "comment", "by": "ann\u202e", "comment": "on it\x1b[2J"}
    done = there.send(**said)
    assert (done.status_code, done.json()) == (200, {"incident": there.number, "verb": "comment"})
    again = there.send(**said)
    assert (again.status_code, "taken already" in again.json()["detail"]) == (409, True)
    line = "pager says comment for ann⟨U+202E⟩, unverified: on it⟨U+001B⟩[2J"
    assert [one for one in there.lines() if one.startswith("pager")] == [line]
    assert there.kinds().count("respond.reply.heard") == 1


@pytest.mark.behaviour("integrations.replies")
def test_an_acknowledgement_takes_the_incident_on_in_the_name_of_its_integration(there: Elsewhere) -> None:
    reader = JournalReader(there.platform.data_dir)
    ledger = Ledger(there.platform.database, there.platform.journal, reader)
    book = OncallBook(there.platform.database, ledger, there.platform.clock, plan_of(OncallSettings()))
    for record in reader.read({}):
        if record.event is not None and is_heard(record.event):
            book.hear(record.event, {record.position.writer: record.position.index + 1})
    done = there.send(by="ann@example.org")
    assert (done.status_code, done.json().get("acknowledged_by")) == (200, "webhook:pager"), done.text
    assert book.standing(there.number).acknowledged_by == "webhook:pager"
    assert "pager says acknowledge for ann@example.org, unverified" in there.lines()
    assert there.send("msg_2", by="bob").json()["acknowledged_by"] == "webhook:pager"
    case = CaseBook(there.platform.database, ledger, there.platform.clock)
    incident = case.reading.open(there.number).incident
    assert (incident.acknowledged_by, incident.acknowledged_at > 0) == ("webhook:pager", True)
    assert (incident.assignee, incident.status) == ("", Status.IN_PROGRESS)  # its owner is a person
    case.deciding.assign(there.number, "operator:ann", "ann")
    assert case.reading.open(there.number).incident.assignee == "operator:ann"
    with pytest.raises(Invalid):
        case.deciding.close(there.number, "webhook:pager", "it says so")


@pytest.mark.behaviour("integrations.replies")
def test_a_word_that_breaks_off_does_nothing_and_may_come_again(there: Elsewhere) -> None:
    body = json.dumps({"incident": there.number, "verb": "comment", "comment": "on it"}).encode()
    headers = signed(body, "msg_1", there.platform.clock.now() // SECOND, KEYS)
    url = there.client.base_url
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((url.host, url.port), 20) as half:
        line = f"POST /hooks/integrations/pager HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        half.sendall(f"{line}{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:20])
        half.shutdown(socket.SHUT_WR)
        assert not half.recv(1000).startswith(b"HTTP/1.1 200")
    assert [one for one in there.lines() if one.startswith("pager")] == []
    assert there.client.post("/hooks/integrations/pager", content=body, headers=headers).status_code == 200
    flood = there.client.post("/hooks/integrations/pager", content=b"x" * 100_000, headers=headers)
    assert flood.status_code == 413
    assert len([one for one in there.lines() if one.startswith("pager")]) == 1


@pytest.mark.behaviour("integrations.replies")
def test_what_is_not_signed_by_its_integration_late_or_no_reply_does_nothing(there: Elsewhere) -> None:
    before = there.lines()
    late = signed(b"{}", "msg_9", there.platform.clock.now() // SECOND - 301)
    answers = [
        there.send(keys=(b"x" * 32,)),
        there.send(name="nobody"),
        there.send(name="../approvals/x"),
        there.client.post("/hooks/integrations/pager", content=b"{}", headers=late),
        there.client.post("/hooks/integrations/pager", content=b"{}"),
        there.send("msg_a", verb="close"),
        there.send("msg_b", incident="INC-1999-0001"),
        there.send("msg_c", extra=1),
        there.send("msg_d", comment="x" * 9_000),
    ]
    assert [answer.status_code // 100 for answer in answers] == [4] * len(answers)
    assert there.lines() == before
    assert "respond.reply.refused" in there.kinds()


@pytest.mark.behaviour("integrations.replies")
def test_refusals_are_told_at_a_rate(there: Elsewhere) -> None:
    for number in range(15):
        assert there.send(f"msg_{number}", keys=(b"x" * 32,)).status_code in (401, 403)
    assert there.kinds().count("respond.reply.refused") == 10


def test_two_at_once_are_one(there: Elsewhere) -> None:
    answers: list[int] = []

    def one() -> None:
        answers.append(there.send("msg_same", verb="comment", comment="twice?").status_code)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 200 in answers
    assert len([line for line in there.lines() if "twice?" in line]) == 1


def test_a_secret_that_cannot_sign_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLIES", "short")
    pager = IntegrationSettings(type="pager", reply_secret="env:REPLIES")
    settings = Settings(respond=RespondSettings(integrations={"pager": pager}))
    with opened(tmp_path, "watch") as platform:
        with pytest.raises(Misconfigured):
            replying_of(Loaded(settings, tmp_path), platform)
        assert replying_of(Loaded(Settings(), tmp_path), platform) is None
