"""Pagers that keep what they are sent: one page for one key, ended by it, and no page that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Reply, Request, elsewhere
from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.errands import NotTaken, Rejected, Verb
from watchkeeper.respond.integrations import Integration


class EventsApi:
    """PagerDuty's Events API v2, as its reference says: keys open, acknowledge and end pages."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.paged = 0

    def __call__(self, request: Request) -> Reply:
        said = request.json
        if said.get("routing_key") != "routing-key-1":
            return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["bad routing_key"]}
        key, act = said["dedup_key"], said["event_action"]
        if act == "trigger" and self.pages.get(key, "resolved") == "resolved":
            self.paged += 1
            self.pages[key] = "triggered"
        elif key in self.pages and act != "trigger":
            self.pages[key] = {"acknowledge": "acknowledged", "resolve": "resolved"}[act]
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


class AlertApi:
    """Opsgenie's: a request is taken at once, and what became of it is asked for."""

    def __init__(self) -> None:
        self.alerts: dict[str, str] = {}
        self.requests: dict[str, bool] = {}
        self.loses = False

    def __call__(self, request: Request) -> Reply:
        if request.headers.get("authorization") != "GenieKey routing-key-1":
            return 403, {"message": "no"}
        if request.verb == "GET":
            name = request.path.rpartition("/")[2]
            if name not in self.requests:
                return 404, {"message": "Request not found"}
            return 200, {"data": {"success": self.requests[name], "action": "x"}}
        name = f"r-{len(self.requests)}"
        if request.path == "/v2/alerts":
            self.alerts.setdefault(request.json["alias"], "open")
            self.requests[name] = not self.loses
        else:
            _, _, _, alias, act = request.path.partition("?")[0].split("/")
            self.requests[name] = alias in self.alerts and not self.loses
            self.alerts[alias] = {"acknowledge": "acked", "close": "closed"}[act]
        return 202, {"result": "Request will be processed", "requestId": name}


def pagerduty(url: str, host: str, **settings: Any) -> Integration:
    return made("pager", host, **({"style": "pagerduty", "url": url, "secret": "env:KEY"} | settings))


@pytest.mark.behaviour("integrations.pager")
def test_the_same_page_twice_is_one_and_is_ended_by_its_key() -> None:
    api = EventsApi()
    with elsewhere(api) as there:
        pager = pagerduty(there.url, there.host)
        for key in ("run-1:page:1", "run-1:page:1", "run-2:page:1"):
            receipt = pager.deliver(errand(Verb.TRIGGER, key), again=False)
        (key,) = api.pages
        assert (receipt.reference, receipt.verified, api.paged) == (key, None, 1)
        pager.deliver(errand(Verb.ACKNOWLEDGE, "a"), again=False)
        assert api.pages == {key: "acknowledged"}
        pager.deliver(errand(Verb.RESOLVE, "b"), again=False)
        assert api.pages == {key: "resolved"}
        pager.deliver(errand(Verb.TRIGGER, "c", thread="INC-2026-0002"), again=False)
        assert len(api.pages) == 2
    payload = there.got[0].json["payload"]
    assert payload["severity"] == "error"
    assert payload["timestamp"] == "2026-11-25T09:41:56.000000Z"


@pytest.mark.behaviour("integrations.lies")
@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>hello</html>", {"Content-Type": "text/html"}),
        (202, {"status": "success", "dedup_key": "another"}),
        (202, {"status": "no"}),
        (200, b"[]"),
    ],
)
def test_an_answer_that_does_not_repeat_our_key_is_no_page(answer: Any) -> None:
    with elsewhere(lambda _: answer) as there:
        receipt = pagerduty(there.url, there.host).deliver(errand(Verb.TRIGGER), again=False)
    assert receipt.verified is False


@pytest.mark.behaviour("integrations.secrets")
def test_a_key_that_is_not_taken_is_an_error_that_does_not_say_it() -> None:
    def echo(request: Request) -> Reply:
        return 400, {"message": f"bad {request.json['routing_key']}"}

    with elsewhere(echo) as there, pytest.raises(Rejected) as caught:
        pagerduty(there.url, there.host).deliver(errand(Verb.TRIGGER), again=False)
    assert "routing-key-1" not in caught.value.reason


@pytest.mark.behaviour("integrations.verified")
def test_what_became_of_a_request_is_asked_for() -> None:
    api = AlertApi()
    with elsewhere(api) as there:
        pager = made("pager", there.host, style="opsgenie", url=there.url, secret="env:KEY")
        receipt = pager.deliver(errand(Verb.TRIGGER), again=False)
        assert receipt.verified is None
        assert pager.verify(errand(Verb.TRIGGER), receipt).verified is True
        for verb in (Verb.ACKNOWLEDGE, Verb.RESOLVE):
            done = pager.deliver(errand(verb), again=False)
            assert pager.verify(errand(verb), done).verified is True
        assert list(api.alerts.values()) == ["closed"]
        api.loses = True
        lost = pager.deliver(errand(Verb.TRIGGER, "x"), again=False)
        assert pager.verify(errand(Verb.TRIGGER, "x"), lost).verified is False
        api.requests.clear()
        with pytest.raises((NotTaken, Rejected)):
            pager.verify(errand(Verb.TRIGGER, "x"), lost)


def test_a_pager_that_cannot_be_is_refused_when_it_is_made() -> None:
    for wrong in (
        {"style": "slack"},
        {"style": "pagerduty", "secret": ""},
        {"style": "opsgenie", "url": "ftp://x.example"},
    ):
        with pytest.raises(Misconfigured):
            made("pager", **({"secret": "env:KEY"} | wrong))  # type: ignore[arg-type]
