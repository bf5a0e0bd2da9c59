"""The queue, an alert and the rules over real HTTP; what they show comes from a desk in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

import httpx
import msgspec
import pytest

from tests.web.conftest import NOW, Desk, Running, decided
from tests.web.queued import a_line, a_whole, an_alert
from watchkeeper.web.alerts import Place, Reason, RuleWhole, place_of

EVIL = '<script>alert(1)</script>"\u202ex'
SAME = {"Sec-Fetch-Site": "same-origin"}


def shown(console: Running, *paths: str) -> Sequence[httpx.Response]:
    with console.inside() as client:
        return [client.get(path) for path in paths]


@pytest.mark.behaviour("web.alert-queue")
def test_an_empty_queue_teaches_and_a_broken_one_says_that_it_does_not_know(console: Running, desk: Desk) -> None:
    (empty,) = shown(console, "/alerts")
    assert "No alert waits for anybody" in empty.text
    assert "watchkeeper demo" in empty.text
    (other,) = shown(console, "/alerts?q=word")
    assert "No alert is like that" in other.text
    desk.is_broken = True
    (broken,) = shown(console, "/alerts")
    assert "unknown" in broken.text
    assert "No alert waits" not in broken.text


@pytest.mark.behaviour("web.alert-queue")
def test_the_queue_shows_what_waits_and_its_address_says_which_part(console: Running, desk: Desk) -> None:
    desk.queue = [
        a_whole(an_alert(1, count=1_234, news=("outcome",))),
        a_whole(an_alert(2, state="closed", disposition="false_positive")),
        a_whole(an_alert(3, kind="throttled", title="Held")),
    ]
    queue, closed, live = shown(console, "/alerts", "/alerts?state=closed", "/alerts?live=1")
    for part in ("Alert 1", "1,234", "outcome</bdi>", "held back together", 'data-do="a"', "files", "agent:ann"):
        assert part in queue.text
    assert "Alert 2" not in queue.text
    assert "false positive" in closed.text
    assert 'data-part="alerts"' in live.text
    assert "<nav aria-label" not in live.text


@pytest.mark.behaviour("alerts.worded-once")
def test_an_order_shows_its_server_once_and_a_tool_shows_its_own_name(console: Running, desk: Desk) -> None:
    order = {"target": "files/read", "event_kind": "gateway.order.lifted"}
    for fields, told in ((order, ["files", "read"]), ({"target": "files/read"}, ["files", "files/read"])):
        desk.queue = [a_whole(an_alert(1, **fields))]
        queue, page = shown(console, "/alerts", f"/alerts/{desk.queue[0].opened.alert.id}")
        for one in (queue, page):
            where = re.search(r'<span class="where">(.*?)</span></span>', one.text, re.DOTALL)
            assert where is not None
            assert re.findall(r">([a-z/]+)</bdi>", where[0]) == told


@pytest.mark.behaviour("web.alert-page")
def test_an_alert_says_why_it_fired_what_is_known_and_what_is_not(console: Running, desk: Desk) -> None:
    desk.queue = [a_whole(an_alert(1)), a_whole(an_alert(2), trigger=None, reasons=(), rule=None, may_assess=False)]
    first, second = (one.opened.alert.id for one in desk.queue)
    page, blind = shown(console, f"/alerts/{first}", f"/alerts/{second}")
    for part in ("outcome", "equals", "one level higher", "not known", "there is no catalogue yet", "criticality",
                 "Look at it.", "principal</bdi>", "/events/e-0", "acknowledged it", "Alert 9", "n = 3"):  # fmt: skip
        assert part in page.text
    assert "cannot be read any more" in blind.text
    assert "Your role looks, and does not assess." in blind.text
    assert "Say what it was" not in blind.text
    (gone,) = shown(console, "/alerts/nothing")
    assert gone.status_code == 404


@pytest.mark.behaviour("web.alert-acts")
def test_people_act_on_an_alert_in_their_own_name_and_come_back_to_where_they_were(
    console: Running, desk: Desk
) -> None:
    desk.queue = [a_whole(an_alert(1))]
    path = f"/alerts/{desk.queue[0].opened.alert.id}/assess"
    with console.inside() as client:
        taken = client.post(path, data={"act": "assign", "to": "me", "by": "operator:eve"}, headers=SAME)
        closed = client.post(path, headers=SAME, data={"act": "close", "disposition": "duplicate", "note": "n",
                                                       "back": "/alerts?state=all"})  # fmt: skip
        away = client.post(path, data={"act": "acknowledge", "back": "//evil.example/"}, headers=SAME)
        foreign = client.post(path, data={"act": "close"}, headers={"Sec-Fetch-Site": "cross-site"})
        console.everybody.role = "viewer"
        denied = client.post(path, data={"act": "acknowledge"}, headers=SAME)
    assert [one.get("to") for one in desk.said] == ["operator:ada", "", ""]
    assert {one["by"] for one in desk.said} == {"operator:ada"}
    assert (taken.status_code, taken.headers["location"]) == (303, path.removesuffix("/assess"))
    assert closed.headers["location"] == "/alerts?state=all"
    assert away.headers["location"] == path.removesuffix("/assess")
    assert (foreign.status_code, denied.status_code) == (403, 403)
    assert "viewers look" in denied.text


@pytest.mark.behaviour("web.alert-exception")
def test_an_exception_is_drafted_tried_and_put_in_force(console: Running, desk: Desk) -> None:
    desk.queue = [a_whole(an_alert(1))]
    path = f"/alerts/{desk.queue[0].opened.alert.id}/exception"
    asked = {"use.actor": "1", "value.actor": "agent:ann", "value.server": "files", "rule": "r-1", "days": "7"}
    with console.inside() as client:
        fresh, tried = client.get(path), client.get(path, params=asked)
        made = client.post(path, data={**asked, "reason": "known"}, headers=SAME)
        wrong = client.get(path, params={"use.actor": "1"})
    assert "Not tried yet." in fresh.text
    for part in ("7", "of 12 alerts", "careful", "not known", "A rule &lt;b&gt;"):
        assert part in tried.text
    assert (made.status_code, made.headers["location"]) == (303, "/rules/r-1")
    assert desk.said == [{"where": {"actor": "agent:ann"}, "rule": "r-1", "reason": "known", "days": 7.0,
                          "over_critical": False, "by": "operator:ada"}]  # fmt: skip
    assert "an exception names a field" in wrong.text


@pytest.mark.behaviour("web.rules")
def test_rules_are_listed_with_what_they_are_worth_and_what_is_not_known(console: Running, desk: Desk) -> None:
    desk.rulebook = [
        RuleWhole(a_line(), "detection: x", "title: A rule", "a.yml", falsepositives=("Backups.",), must_match=2,
                  exceptions=({"id": "x-1", "state": "in force", "rule": "", "held": 5, "where": {"server": "files"},
                               "expires_at": NOW, "author": "operator:ann", "reason": "because"},),
                  recent=(an_alert(1),), wrong=("match 1 is not matched",)),
        RuleWhole(a_line(id="r-2", title="Other", precision=None, volume=(0, 0, 0)), "", "", ""),
    ]  # fmt: skip
    listed, found, page, bare = shown(console, "/rules", "/rules?q=other&order=name", "/rules/r-1", "/rules/r-2")
    for part in ("A rule", "Other", "n = 1", "not known", "4 alerts in 3 days"):
        assert part in listed.text
    assert "A rule" not in found.text
    for part in ("Backups.", "held 5", "because", "match 1 is not matched", "Its alerts"):
        assert part in page.text
    assert "does not say that it is blind" in bare.text
    desk.is_broken = True
    assert "unknown" in shown(console, "/rules")[0].text


@pytest.mark.behaviour("web.hostile-strings-inert")
def test_hostile_strings_stay_text_on_pages_of_alerts(console: Running, desk: Desk) -> None:
    evil = an_alert(1, **dict.fromkeys(("title", "server", "target", "principal", "name", "note", "group"), EVIL))
    line = a_line(title=EVIL, name=EVIL, tactic=EVIL, tags=(EVIL,))
    body = {"reasons": [EVIL], "news": [EVIL], "context": {EVIL: {"known": True, "says": {EVIL: EVIL}}},
            "found": {EVIL: [EVIL]}, "response": EVIL, "because": EVIL, "first": EVIL}  # fmt: skip
    opened = msgspec.structs.replace(a_whole(evil).opened, body=body)
    desk.queue = [a_whole(evil, opened=opened, reasons=(Reason(EVIL, EVIL, EVIL, (EVIL,)),), condition=EVIL, rule=line,
                          trigger=decided(NOW, actor=EVIL, server=EVIL, target=EVIL))]  # fmt: skip
    desk.rulebook = [RuleWhole(line, EVIL, EVIL, EVIL, recent=(evil,), falsepositives=(EVIL,), response=EVIL)]
    pages = shown(console, "/alerts", f"/alerts/{evil.id}", f"/alerts/{evil.id}/exception", "/rules", "/rules/r-1")
    for page in pages:
        assert page.status_code == 200
        text = re.sub(r'<input type="hidden"[^>]*>', "", page.text)  # goes back as it is, and is not seen
        assert ("<script>alert" in page.text, "\u202e" in text) == (False, False)


@pytest.mark.behaviour("web.alert-queue")
def test_a_place_is_its_address() -> None:
    place = Place(state="closed", severity="4", principal="agent:a b", who="me", page="3")
    assert place.address() == "/alerts?state=closed&severity=4&principal=agent%3Aa+b&who=me"
    assert place.address(page="3").endswith("&page=3")
    assert Place().address() == "/alerts"
    assert place.asked("operator:ada")["assignee"] == "operator:ada"
    strange = place_of({"state": "x", "severity": "9", "who": "them", "kind": "y", "page": "-1", "rule": "r" * 999})
    assert strange == Place(rule="r" * 200)
    assert [name for name, _, _ in Place(rule="r", who="nobody").chips] == ["rule", "whose"]
