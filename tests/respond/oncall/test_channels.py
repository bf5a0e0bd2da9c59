"""A page that an integration carries, each under a key of its own; the integrations' own protocols are tested there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.respond.webhooks.conftest import SECRET, another_system
from watchkeeper.app.calling import check_oncall
from watchkeeper.app.settings import load
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Misconfigured, NotFound
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.deadman.sending import poster
from watchkeeper.respond.errands import Errand, Receipt, Repeats, Verb
from watchkeeper.respond.oncall.channels import Carried, Channels, Hook, HookPager
from watchkeeper.respond.oncall.ports import Message

MESSAGE = Message("page-1", "ann", 4, "something odd", ("INC-2026-0001",), "incident-1", 2, 1_790_000_000_000_000)
PEOPLE = '[respond.oncall.people.ann]\nchannels = ["pager"]\n'


class Kept:
    """An integration that keeps what it is given, and answers as it is told to."""

    verbs = frozenset({Verb.TELL})
    repeats = Repeats.KEYED

    def __init__(self, *, verified: bool | None) -> None:
        self.verified = verified
        self.got: list[Errand] = []

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        self.got.append(errand)
        return Receipt(said="ok")

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        return Receipt(said="ok", verified=self.verified)


@pytest.mark.behaviour("oncall.integrations")
def test_a_page_goes_by_an_integration_with_its_own_key_and_whom_it_calls() -> None:
    kept = Kept(verified=None)
    carried = Carried({"chat": "ops"}, {"ops": kept}, lambda: "https://console.example")
    Channels({"chat": carried}).send("chat", MESSAGE)
    (errand,) = kept.got
    assert (errand.key, errand.thread, errand.verb, errand.severity) == ("page-1", "page-1", Verb.TELL, 4)
    assert errand.title == "ann: something odd"
    assert "watchkeeper oncall ack INC-2026-0001" in errand.text
    assert errand.link == "https://console.example/incidents/INC-2026-0001"
    with pytest.raises(NotFound):
        Channels({"chat": carried}).send("gone", MESSAGE)


@pytest.mark.behaviour("fetch.any-answer-takes")
def test_a_small_program_that_only_answers_200_has_taken_a_page() -> None:
    with another_system() as pager:
        pager.media = ""
        hook = Hook(pager.url, Secret(SECRET))
        fetch = FetchSettings(allow_hosts=(pager.url.removesuffix("/in"),))
        HookPager({"pager": hook}, Fetcher(fetch), SystemClock(), lambda: "").send("pager", MESSAGE)
        poster("deadman.pages.pager", pager.url, Secret(SECRET), fetch, SystemClock())("alarm-1", b"{}")
    assert pager.ids() == ["page-1", "alarm-1"]


@pytest.mark.behaviour("oncall.integrations")
def test_an_integration_that_lies_has_not_taken_the_page() -> None:
    carried = Carried({"chat": "ops"}, {"ops": Kept(verified=False)}, lambda: "")
    with pytest.raises(Exception, match="not there"):
        carried.send("chat", MESSAGE)


@pytest.mark.behaviour("oncall.checked")
@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("", "either a url or an integration"),
        ('url = "https://p.example"\nintegration = "duty"\n', "either a url or an integration"),
        ('integration = "duty"\n', "there is no integration 'duty'"),
        ('url = "https://p.example"\n', "whsec_"),
    ],
)
def test_a_channel_that_leads_nowhere_is_told_before_anything_starts(tmp_path: Path, channel: str, said: str) -> None:
    path = tmp_path / "watchkeeper.toml"
    path.write_text(f"[respond.oncall.channels.pager]\n{channel}{PEOPLE}", encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        check_oncall(load(path, tmp_path))
    assert said in f"{caught.value.reason} {caught.value.hint}"


@pytest.mark.behaviour("oncall.integrations")
def test_a_pager_of_the_settings_can_be_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTING_KEY", "k" * 32)
    path = tmp_path / "watchkeeper.toml"
    path.write_text(
        f"""
[respond.integrations.duty]
type = "pager"
style = "pagerduty"
secret = "env:ROUTING_KEY"
[respond.oncall.channels.pager]
integration = "duty"
{PEOPLE}""",
        encoding="utf-8",
    )
    check_oncall(load(path, tmp_path))
