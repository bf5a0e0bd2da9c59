"""The page of an incident over real HTTP, with a real control state and journal: what people see, and what they do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from watchkeeper.app.cases_view import CasesView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.clock import SECOND
from watchkeeper.events import JournalReader
from watchkeeper.gateway.orders import OrderKind
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import CaseFile, Filter
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

FORM = {"Sec-Fetch-Site": "same-origin"}
HOSTILE = "</svg><script>alert(1)</script>\u202e\u200b\x1b[2J"


@dataclass
class Desk:
    """A served console over an open platform, and how alerts come in."""

    running: Any
    platform: Platform
    intake: Intake
    book: CaseBook
    ledger: Ledger

    def alert(self, number: int = 1, **members: Any) -> str:
        """Take an alert; the number of the newest incident."""
        now = self.platform.clock.now()
        fields = {"rule": "tool_changed", "title": "A tool changed", "server": "files", "target": "read_file",
                  "principal": "agent:desk", "outcome": "allow", "time": now, "severity": 4}  # fmt: skip
        self.intake.take(Alert(id=f"0000000{number}-0000-8000-8000-000000000000", **fields | members))
        self.ledger.flush()
        return self.numbers()[0]

    def numbers(self) -> list[str]:
        return [one.number for one in self.book.reading.page(Filter(), 100).incidents]

    def file(self, number: str) -> CaseFile:
        return self.book.reading.open(number)


@pytest.fixture
def work(serve_console: Callable[..., AbstractContextManager[Any]], desk: Any, tmp_path: Path) -> Iterator[Desk]:
    data = tmp_path / "data"
    with opened(data, "gateway") as platform, closing(JournalReader(data)) as reader:
        ledger = Ledger(platform.database, platform.journal, reader)
        intake = Intake(platform.database, ledger, platform.clock, RespondSettings(window_seconds=60))
        book = CaseBook(platform.database, ledger, platform.clock)
        view = CasesView(platform, Loaded(Settings(), data))
        with serve_console(replace(desk.services(), cases=view)) as running:
            yield Desk(running, platform, intake, book, ledger)


def do(client: httpx.Client, number: str, act: str, **said: Any) -> httpx.Response:
    return client.post(f"/incidents/{number}/act", data={"act": act, **said}, headers=FORM)


def drawing_of(page: str) -> str:
    return page.partition('<svg class="blast-map"')[2].partition("</svg>")[0]


@pytest.mark.behaviour("web.incident-page")
def test_a_person_works_on_an_incident_from_first_look_to_close(work: Desk) -> None:
    number = work.alert()
    with work.running.inside("ada") as client:
        page = client.get(f"/incidents/{number}").text
        assert "nobody&#39;s" in page or "nobody's" in page
        assert do(client, number, "ack").status_code == 303
        assert do(client, number, "note", text="Called the owner.\nHe knows.").status_code == 303
        assert (
            do(client, number, "add_task", title="Rotate the key", assignee="eve", due_at="2031-01-02").status_code
            == 303
        )
        assert do(client, number, "lesson", text="Pin versions").status_code == 303
        assert do(client, number, "link", kind="advisory", value="CVE-2025-6514").status_code == 303
        assert do(client, number, "effort", minutes="15", what="looking").status_code == 303
        file = work.file(number)
        assert do(client, number, "finish_task", task=file.tasks[0].id).status_code == 303
        follow = do(client, number, "add_task", title="Pin them", lesson=file.notes[1].id)
        assert (follow.status_code, follow.headers["location"]) == (303, f"/incidents/{number}#tasks")
        revision = str(work.file(number).incident.revision)
        assert do(client, number, "severity", severity="5", reason="a key left", revision=revision).status_code == 303
        page = client.get(f"/incidents/{number}").text
        for words in ("Called the owner.\nHe knows.", "Rotate the key", "Pin versions", "CVE-2025-6514", "15 minutes"):
            assert words in page, words
        closed = do(client, number, "close", disposition="true_positive", reason="the key is dead")
        assert closed.status_code == 303
    file = work.file(number)
    assert (file.incident.assignee, file.incident.severity) == ("operator:ada", 5)
    assert (file.incident.disposition, file.incident.closed_by) == ("true_positive", "operator:ada")
    assert [(task.title, task.assignee, task.lesson == "") for task in file.tasks] == [
        ("Rotate the key", "operator:eve", True),
        ("Pin them", "", False),
    ]
    assert {change.by for change in file.history} == {"operator:ada"}


@pytest.mark.behaviour("web.incident-conflict")
def test_who_decides_on_an_old_page_is_told_what_the_other_did_and_writes_nothing_twice(work: Desk) -> None:
    number = work.alert()
    with work.running.inside("ada") as ada, work.running.inside("eve") as eve:
        seen = re.search(r'name="revision" value="(\d+)"', ada.get(f"/incidents/{number}").text)
        assert seen is not None
        first = do(eve, number, "severity", severity="2", reason="it is a test server", revision=seen[1])
        refused = do(ada, number, "severity", severity="5", reason="my long reason", revision=seen[1])
    assert (first.status_code, refused.status_code) == (303, 409)
    assert work.file(number).incident.severity == 2
    told = re.sub(r"<[^>]+>", "", refused.text)
    assert "operator:eve changed severity from high to low: it is a test server" in told
    assert 'value="my long reason"' in refused.text


@pytest.mark.behaviour("web.incident-roles")
def test_a_viewer_looks_an_analyst_works_a_responder_arranges_and_strangers_forms_are_refused(work: Desk) -> None:
    number = work.alert()
    with work.running.inside("ada") as client:
        work.running.everybody.role = "viewer"
        page = client.get(f"/incidents/{number}").text
        assert "Blast radius" in page
        assert f'action="/incidents/{number}/act"' not in page
        assert do(client, number, "note", text="x").status_code == 403
        work.running.everybody.role = "analyst"
        page = client.get(f"/incidents/{number}").text
        assert ('value="note"' in page, 'value="merge"' in page) == (True, False)
        assert do(client, number, "note", text="x").status_code == 303
        assert do(client, number, "merge", into="INC-1", reason="x").status_code == 403
        assert client.post(f"/incidents/{number}/act", data={"act": "ack"}).status_code == 403
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        assert client.post(f"/incidents/{number}/act", data={"act": "ack"}, headers=foreign).status_code == 403
    file = work.file(number)
    assert ([note.text for note in file.notes], file.incident.acknowledged_at) == (["x"], 0)


@pytest.mark.behaviour("web.incident-arranging")
def test_incidents_are_merged_split_and_shown_with_what_they_have_in_common(work: Desk) -> None:
    first = work.alert(1)
    work.alert(2, rule="other", title="Another")
    later = work.platform.clock.now() + 7200 * SECOND
    second = work.alert(3, server="mail", time=later, principal="agent:other")
    assert first != second
    with work.running.inside("ada") as client:
        assert "Both have rule" in re.sub(r"<[^>]+>", "", client.get(f"/incidents/{first}").text)
        chosen = "00000002-0000-8000-8000-000000000000"
        split = do(client, first, "split", alerts=[chosen], title="Its own", reason="unrelated")
        fresh = split.headers["location"].rpartition("/")[2]
        assert [alert.id for alert in work.file(fresh).alerts] == [chosen]
        merged = do(client, second, "merge", into=first, reason="the same")
        assert merged.headers["location"] == f"/incidents/{first}"
        gone = client.get(f"/incidents/{second}").text
    assert f'Merged into <a href="/incidents/{first}">' in gone
    assert f'action="/incidents/{second}/act"' not in gone


@pytest.mark.behaviour("web.incident-export")
@pytest.mark.parametrize(("form", "member"), [
    ("jsonl", "number"), ("stix", "objects"), ("veris", "schema_version"), ("ocsf", "class_uid"),
    ("timesketch", "datetime"),
])  # fmt: skip
def test_an_incident_is_taken_elsewhere_as_a_file_and_that_is_recorded(work: Desk, form: str, member: str) -> None:
    number = work.alert()
    with work.running.inside("ada") as client:
        got = client.get(f"/incidents/{number}/export?format={form}")
        assert client.get(f"/incidents/{number}/export?format=docx").status_code == 400
        assert client.get("/incidents/INC-none/export?format=jsonl").status_code == 404
    assert got.headers["content-disposition"].startswith(f'attachment; filename="{number}-{form}.')
    text = got.text if form in ("stix", "veris", "ocsf") else got.text.splitlines()[0]
    assert f'"{member}":' in json.dumps(json.loads(text))
    with closing(JournalReader(work.platform.data_dir)) as reader:
        kinds = [
            (one.event.actor, one.event.body) for one in reader.read({}) if one.event and "export" in one.event.kind
        ]
    assert [(actor, body["format"]) for actor, body in kinds] == [("operator:ada", form)]


@pytest.mark.behaviour("cases.report")
def test_the_report_is_taken_from_the_page_and_that_is_recorded(work: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number = work.alert()
    with work.running.inside("ada") as client:
        assert "Report (PDF)" in client.get(f"/incidents/{number}").text
        got = client.get(f"/incidents/{number}/export?format=pdf")
        assert (got.content[:5], got.headers["content-type"]) == (b"%PDF-", "application/pdf")
        text = client.get(f"/incidents/{number}/export?format=markdown")
        assert text.headers["content-disposition"] == f'attachment; filename="{number}-markdown.md"'
        assert "## Timeline" in text.text
        monkeypatch.setattr("watchkeeper.respond.report.pdf.find_spec", lambda _: None)
        lacking = client.get(f"/incidents/{number}/export?format=pdf")
        assert (lacking.status_code, "extra `report`" in lacking.text.replace("&#34;", "`")) == (503, True)
    with closing(JournalReader(work.platform.data_dir)) as reader:
        told = [one.event for one in reader.read({}) if one.event and "exported" in one.event.kind]
    assert [(one.actor, one.body["format"]) for one in told] == [("operator:ada", "report")] * 2


def test_the_timeline_is_paged_filtered_by_mark_and_each_line_has_its_proof(work: Desk) -> None:
    number = work.alert()
    for count in range(70):
        work.book.noting.note(number, "operator:ada", f"note {count}")
    with work.running.inside("ada") as client:
        whole, last = client.get(f"/incidents/{number}").text, client.get(f"/incidents/{number}?page=2").text
        alerts = client.get(f"/incidents/{number}?mark=alert").text
        lines = re.findall(r'href="(/events/[^"]+/proof)"', whole)
        assert client.get(f"/incidents/{number}?mark=%3Cscript%3E&page=99999").status_code == 200
    timeline = whole.partition('id="timeline"')[2].partition("</section>")[0]
    assert ("note 1:" in timeline or "note 1" in timeline, "note 69" in timeline) == (True, False)
    assert "note 69" in last.partition('id="timeline"')[2].partition("</section>")[0]
    assert "note 5" not in alerts.partition('id="timeline"')[2].partition("</section>")[0]
    assert len(lines) >= 58  # all that the journal has a place for


@pytest.mark.behaviour("web.blast-radius")
def test_the_drawing_says_who_was_touched_and_what_holds_it_and_the_table_says_the_same(work: Desk) -> None:
    number = work.alert()
    incident = work.file(number).incident.id
    order = work.platform.orders.issue(
        OrderKind.HOLD_TOOL, "files/read_file", reason="it changed", by="operator:ada", key="k", incident=incident
    )
    with work.running.inside("ada") as client:
        held = client.get(f"/incidents/{number}").text
        work.platform.orders.lift(order.id, by="operator:ada", reason="over")
        lifted = client.get(f"/incidents/{number}").text
    drawing, table = (
        held.partition('<svg class="blast-map"')[2].partition("</svg>")[0],
        held.partition("As a table")[2],
    )
    for name in ("agent:desk", "files/read_file", "tool_changed", number, "hold tool files/read…"):
        assert name in drawing, name
    assert "in force, not proven" in table
    assert "hold tool files/read_file" in table.partition("</table>")[0]
    assert "not proven" not in lifted.partition('<svg class="blast-map"')[2].partition("</svg>")[0]


@pytest.mark.behaviour("web.incident-hostile")
def test_whatever_others_wrote_of_an_incident_is_inert(work: Desk) -> None:
    number = work.alert(title=HOSTILE, rule=HOSTILE, server=HOSTILE, target=HOSTILE, principal=HOSTILE)
    with work.running.inside("ada") as client:
        assert do(client, number, "note", text=HOSTILE).status_code == 303
        assert do(client, number, "add_task", title=HOSTILE).status_code == 303
        assert do(client, number, "link", kind="server", value=HOSTILE, title=HOSTILE).status_code == 303
        refused = do(client, number, "severity", severity=HOSTILE, reason=HOSTILE)
        assert refused.status_code == 400
        for page in (client.get(f"/incidents/{number}").text, refused.text):
            assert "<script>alert" not in page
            assert not {"\u202e", "\u200b", "\x1b"} & set(re.sub(r'(?:value|data-copy)="[^"]*"', "", page))
            assert len(re.findall(r"<svg class=\"blast-map\"", page)) == 1
        assert "U+202E" in page


@pytest.mark.parametrize("said", [
    {"act": "nothing"}, {"act": ""}, {"act": "severity", "severity": "6", "reason": "x"},
    {"act": "severity", "severity": "", "reason": "x"}, {"act": "effort", "minutes": "-1"},
    {"act": "add_task", "title": "x", "due_at": "31.12."}, {"act": "link", "kind": "x", "value": "y"},
    {"act": "close", "disposition": "perhaps", "reason": "x"}, {"act": "finish_task", "task": "none"},
    {"act": "status", "status": "on_hold", "reason": ""}, {"act": "note", "text": "   "},
])  # fmt: skip
def test_a_form_that_makes_no_sense_is_refused_with_the_reason_and_changes_nothing(
    work: Desk, said: dict[str, str]
) -> None:
    number = work.alert()
    before = work.file(number)
    with work.running.inside("ada") as client:
        answer = do(client, number, **said)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert work.file(number) == before
