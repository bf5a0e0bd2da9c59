"""The console in a real, headless Chromium: the link, the pages, hostile strings, live refresh."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.respond.oncall.conftest import settings_of
from tests.web.casing import hostile_case
from tests.web.plays import played
from tests.web.queued import a_line, a_whole, an_alert
from tests.web.test_oncall import served
from watchkeeper.app.detection_views import CoverageView
from watchkeeper.app.hunts_view import HuntsView
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.clock import SECOND
from watchkeeper.events import Event, new_event
from watchkeeper.respond.oncall.settings import LayerSettings, PersonSettings
from watchkeeper.web.alerts import Reason, RuleWhole
from watchkeeper.web.inbox import DefinitionNow, Held, Need, Said, Whole
from watchkeeper.web.model import (
    DefinitionChange,
    IncidentRow,
    Notification,
    OrderRow,
    Pin,
    PinMoment,
    Server,
    Writer,
)

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)><svg onload=alert(3)>',
    "' autofocus onfocus=alert(4) x='",
    "javascript:alert(5)",
    "</pre></table></main><base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>",
    "{{ 7*7 }}{% raw %}${7*7}",
    "\u202egnp.exe\u2066\u200b\ufeff\U000e0069\U000e0067",
    "\x1b[2J\x1b]0;owned\x07\r\x00",
    "<style>*{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "&lt;b&gt;&#x202e;",
    "https://evil.example/?steal",
    "a" * 200_000,
    "e" + "\u0301" * 400,
)
WATCH_FOR_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
PATHS = (
    *("/", "/approvals", "/traffic", "/events", "/events?since=all&q=x+OR+y", "/servers", "/incidents", "/journal"),
    *("/alerts", "/alerts?state=all&q=x", "/rules"),
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH_FOR_VIOLATIONS})
    try:
        yield driver
    finally:
        driver.quit()


def enter(browser: WebDriver, console: Any) -> None:
    browser.get(f"{console.url}/enter#{console.operators.issue_link('ada', 'operator:root')}")
    WebDriverWait(browser, 20).until(lambda b: b.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
    browser.find_element(By.CSS_SELECTOR, "button.primary").click()
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.LINK_TEXT, "Traffic"))


def assert_inert(browser: WebDriver) -> None:
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert browser.execute_script("return window.violations") == []
    assert [row["message"] for row in browser.get_log("browser") if "/static/" not in row["message"]] == []
    bodies = browser.execute_script(
        "return [...document.querySelectorAll('script, style, base, meta[http-equiv], iframe, [onerror], [onload],"
        " [onfocus], [autofocus], [style]')].map((node) => node.outerHTML)"
    )
    assert [body for body in bodies if "/static/live.js" not in body and "/static/keys.js" not in body] == []
    links = browser.execute_script("return [...document.links].map((link) => link.protocol + '//' + link.host)")
    assert set(links) == {browser.execute_script("return location.origin")}


@pytest.mark.behaviour("web.link-flow-in-a-browser")
def test_a_one_time_link_leads_in_and_is_nowhere_in_the_address_afterwards(browser: WebDriver, console: Any) -> None:
    token = console.operators.issue_link("ada", "operator:root")
    browser.get(f"{console.url}/enter#{token}")
    WebDriverWait(browser, 20).until(lambda b: b.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
    assert token not in browser.current_url
    browser.find_element(By.CSS_SELECTOR, "button.primary").click()
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.LINK_TEXT, "Traffic"))
    assert browser.current_url == f"{console.url}/"
    assert browser.execute_script("return document.cookie") == ""

    browser.find_element(By.CSS_SELECTOR, ".who button").click()
    WebDriverWait(browser, 20).until(lambda b: b.current_url.endswith("/enter"))
    browser.get(f"{console.url}/enter#{token}")
    WebDriverWait(browser, 20).until(lambda b: b.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
    browser.find_element(By.CSS_SELECTOR, "button.primary").click()
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".door-failure"))
    assert "was used" in browser.find_element(By.CSS_SELECTOR, ".door-failure").text


def test_every_page_renders_without_a_violation_or_an_error(browser: WebDriver, console: Any, busy_desk: Any) -> None:
    enter(browser, console)
    event = f"/events/{busy_desk.events[60].id}"
    definition = "/definition?server=notes&kind=tool&name=search_notes"
    conversation = event.replace("events", "conversations")
    for path in (*PATHS, event, conversation, definition, "/incidents/inc-0198f2c4"):
        browser.get(console.url + path)
        assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
        width = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], path
        assert_inert(browser)


def test_wide_pages_scroll_inside_themselves_on_any_screen(
    browser: WebDriver, serve_console: Any, desk: Any, tmp_path: Path
) -> None:
    with opened(tmp_path / "data", "gateway") as platform:
        views = {
            "hunts": HuntsView(platform),
            "coverage": CoverageView(Loaded(Settings(), platform.data_dir), platform),
        }
        with serve_console(replace(desk.services(), **views)) as console:
            enter(browser, console)
            for width in (1400, 390):
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                for path in ("/coverage", "/hunts", "/hunts/traffic_by_tool"):
                    browser.get(console.url + path)
                    assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
                    wide = browser.execute_script("return document.documentElement.scrollWidth")
                    assert wide <= width, path
                    assert_inert(browser)


HUNT = """title: Who was denied
why: Being denied is how one learns what is there.
sql: |
  SELECT actor, count(*) AS denials, max(time) AS last FROM events
  WHERE outcome = 'deny' AND server = :run GROUP BY actor ORDER BY actor
parameters:
  run: {type: text, says: Which server.}
tests:
  - given: [{at: 0, actor: "agent:a", server: s, outcome: deny}]
    parameters: {run: s}
    expected: [{actor: "agent:a", denials: 1}]
"""


@pytest.mark.behaviour("web.hunts-in-a-browser")
def test_a_hunt_is_written_run_scheduled_escalated_drafted_and_removed_by_hand(
    browser: WebDriver, serve_console: Any, desk: Any, tmp_path: Path
) -> None:
    def fill(name: str, value: str, form: str = "") -> None:
        field = browser.find_element(By.CSS_SELECTOR, f"{form} [name='{name}']")
        field.clear()
        field.send_keys(value)

    def press(words: str) -> None:
        browser.find_element(By.XPATH, f"//button[normalize-space()='{words}']").click()

    def until(words: str) -> None:
        there = "return (document.querySelector('main')?.innerText ?? '').includes(arguments[0])"
        WebDriverWait(browser, 20).until(lambda b: b.execute_script(there, words), words)
        assert_inert(browser)

    with opened(tmp_path / "data", "gateway") as platform:
        for actor, outcome in (("agent:a", "deny"), (HOSTILE[0], "deny"), ("agent:c", "allow")):
            body = {"code": "policy.denied"} if outcome == "deny" else {}
            said = {"server": "s", "target": "t", "outcome": outcome, "body": body}
            platform.journal.record(new_event(platform.clock.now(), "gateway.request.decided", actor=actor, **said))
        with serve_console(replace(desk.services(), hunts=HuntsView(platform))) as console:
            enter(browser, console)
            browser.get(f"{console.url}/hunts/new-hunt")
            fill("name", "who_denied")
            browser.execute_script("document.querySelector('[name=yaml]').value = arguments[0]", HUNT)
            press("Run its tests, and save it")
            until("Nothing runs it but you.")
            fill("p.run", "s", "form[method=get]")
            fill("since", "all", "form[method=get]")
            press("Run")
            until("2 rows")
            assert browser.find_element(By.CSS_SELECTOR, ".hunt-rows").text.count("<script>alert(1)</script>") == 1
            for box in browser.find_elements(By.CSS_SELECTOR, ".hunt-rows [name=row]"):
                box.click()
            press("Draft a rule")
            until("who_denied_draft.yml")
            browser.back()
            until("2 rows")
            fill("note", HOSTILE[1], "form[action$=escalate]")
            press("Raise an alert")
            until("an alert now")
            press("Let the watch run it")
            until("nobody is told of new rows")
            browser.find_element(By.LINK_TEXT, "Change it").click()
            until("A hunt of your own")
            assert "Who was denied" in browser.find_element(By.NAME, "yaml").get_property("value")
            browser.get(f"{console.url}/hunts/who_denied")
            press("Remove it")
            WebDriverWait(browser, 20).until(lambda b: b.current_url.endswith("/hunts"))
            assert "who_denied" not in browser.page_source


@pytest.mark.behaviour("web.hostile-strings-inert")
def test_hostile_strings_stay_text_on_every_page(
    browser: WebDriver, console: Any, desk: Any, make_event: Callable[..., Event]
) -> None:
    paths = fill_with_hostility(desk, console.clock.now(), make_event)
    enter(browser, console)
    for path in paths:
        browser.get(console.url + path)
        assert browser.find_elements(By.CSS_SELECTOR, "nav a"), path
        assert_inert(browser)
        assert "<script>alert(1)</script>" in browser.find_element(By.TAG_NAME, "main").text, path
        assert len(browser.page_source) < 3_000_000
        width = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], path


@pytest.mark.behaviour("web.events-in-a-browser")
def test_events_are_opened_narrowed_and_followed(
    browser: WebDriver, console: Any, busy_desk: Any, make_event: Callable[..., Event]
) -> None:
    enter(browser, console)
    browser.get(f"{console.url}/events?q=outcome:deny")
    before = len(browser.find_elements(By.CSS_SELECTOR, ".row"))
    row = browser.find_element(By.CSS_SELECTOR, ".row > summary")
    row.send_keys(" ")
    pivot = browser.find_element(By.CSS_SELECTOR, ".row[open] .pivots a[href*='server']")
    assert pivot.is_displayed()
    pivot.click()
    assert 0 < len(browser.find_elements(By.CSS_SELECTOR, ".row")) < before
    browser.find_element(By.PARTIAL_LINK_TEXT, "Follow live").click()
    shown = len(browser.find_elements(By.CSS_SELECTOR, ".row"))
    server = browser.find_element(By.CSS_SELECTOR, ".row .server").text
    busy_desk.events.append(make_event(console.clock.now() - 1, "deny", server=server, target="<i>fresh</i>"))
    WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, ".row")) == shown + 1)
    assert "<i>fresh</i>" in browser.find_element(By.CSS_SELECTOR, ".row").text
    assert_inert(browser)


@pytest.mark.behaviour("web.live-refresh")
def test_a_new_call_appears_by_itself_and_a_dead_console_is_said(
    browser: WebDriver, console: Any, desk: Any, make_event: Callable[..., Event]
) -> None:
    enter(browser, console)
    browser.get(f"{console.url}/traffic")
    assert "No traffic yet" in browser.find_element(By.TAG_NAME, "main").text
    desk.events.append(make_event(console.clock.now(), "deny", target="<i>fresh</i>"))
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, "table.traffic tbody tr"))
    assert "<i>fresh</i>" in browser.find_element(By.CSS_SELECTOR, "table.traffic").text
    assert_inert(browser)

    desk.events.append(make_event(console.clock.now() + SECOND, target="second"))
    WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "table.traffic tbody tr")) == 2)

    browser.execute_script("globalThis.fetch = () => Promise.reject(new TypeError('gone'))")
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".freshness.stale"))
    assert "No answer from the console" in browser.find_element(By.CSS_SELECTOR, ".freshness").text


def test_a_page_whose_session_ended_shows_the_door(browser: WebDriver, console: Any) -> None:
    enter(browser, console)
    browser.get(f"{console.url}/traffic")
    console.clock.advance(13 * 3600 * SECOND)
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, "[data-token]"))


@pytest.mark.behaviour("web.alert-keys")
def test_the_queue_is_worked_by_keys_and_stays_chosen_when_it_is_refreshed(
    browser: WebDriver, console: Any, desk: Any
) -> None:
    desk.queue = [a_whole(an_alert(number)) for number in (1, 2, 3)]
    enter(browser, console)
    browser.get(f"{console.url}/alerts?state=new")
    page = browser.find_element(By.TAG_NAME, "body")
    page.send_keys("?")
    assert browser.execute_script("return document.querySelector('dialog.keys').open")
    browser.find_element(By.CSS_SELECTOR, "dialog.keys button").click()
    page.send_keys("jj")
    chosen = "return document.querySelector('tr.chosen')?.dataset.keyRow"
    assert browser.execute_script(chosen) == desk.queue[1].opened.alert.id
    desk.queue.insert(0, a_whole(an_alert(0)))
    WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "tr[data-key-row]")) == 4)
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(chosen) == desk.queue[2].opened.alert.id)
    browser.find_element(By.TAG_NAME, "body").send_keys("a")
    WebDriverWait(browser, 20).until(lambda _: desk.said)
    assert (desk.said[0]["act"], desk.said[0]["alert"]) == ("acknowledge", desk.queue[2].opened.alert.id)
    WebDriverWait(browser, 20).until(lambda b: b.current_url == f"{console.url}/alerts?state=new")
    browser.find_element(By.TAG_NAME, "body").send_keys("jo")
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.ID, "close"))
    assert browser.current_url.endswith(desk.queue[0].opened.alert.id)
    browser.find_element(By.TAG_NAME, "body").send_keys("c")
    assert browser.execute_script("return document.activeElement.name") == "disposition"
    assert_inert(browser)


def test_the_pages_can_be_walked_by_keyboard_alone(browser: WebDriver, console: Any, busy_desk: Any) -> None:
    enter(browser, console)
    names = browser.execute_script(
        "return [...document.querySelectorAll('a, button, input, select')].filter((n) => !n.hidden)"
        ".map((n) => [n.tabIndex, (n.textContent || n.getAttribute('aria-label') || n.name || '').trim()])"
    )
    assert names[0] == [0, "Skip to the content"]
    assert all(index == 0 and name for index, name in names)


def fill_with_hostility(desk: Any, now: int, make_event: Callable[..., Event]) -> list[str]:
    """Every string that an agent or a server can choose is hostile, on every page."""
    for number, text in enumerate(HOSTILE):
        told = dict.fromkeys(("title", "server", "target", "principal", "name", "note", "group"), text)
        desk.queue.append(
            a_whole(an_alert(number, **told), reasons=(Reason(text, text, text, (text,)),), condition=text)
        )
        line = a_line(id=f"r-{number}", title=text, name=text, tactic=text, tags=(text,))
        desk.rulebook.append(RuleWhole(line, text, text, text, falsepositives=(text,), response=text))
        body = dict.fromkeys(("reason", "correlation", "method", text[:80]), text)
        body |= {"rules": [text], "arguments": text, "result": f'{{"x": "{text[:3000]}"}}', "id": text}
        body["findings"] = [dict.fromkeys(("inspector", "rule", "label", "path", "excerpt", "severity"), text)]
        fields = {"actor": text, "claimed": text, "server": text, "target": text, "trace": text, "era": text}
        desk.events.append(make_event(now, text, **fields, body=body, labels=(text,)))
        desk.events.append(make_event(now, "deny", **fields, body=body, labels=("exercise",)))
        desk.events.append(new_event(now, "gateway.request.refused", server=text, body=body))
        desk.rows.append(Server(text, text, text, status=text, detail=text))
        desk.definitions.append(Pin(text, text, text, text, text, now, text, now, text))
        desk.logs.append(Writer(text, 1, 1, now, text, text, now, 1, text))
        desk.told.append(Notification(now, text, text, text))
        order = OrderRow(text, text, text, text, text, now, text, None, text)
        desk.orders += [order, replace(order, lifted_at=now)]
        needs, votes = [Need(text, text, 2, 1)], [Said(text, text, text, now, text)]
        held = Held(text, "pending", text, text, text, text, text, [text], text, now, now, 2, needs, votes, text)
        desk.held.append(Whole(held))
    bad, everything = HOSTILE[0], HOSTILE
    whole_held = replace(desk.held[0].held, id="a")
    now_defined = DefinitionNow("tool", bad, bad, now, changed=True, diff="\n".join(everything))
    desk.held.append(Whole(whole_held, now_defined, [one.held for one in desk.held], may_decide=True))
    row = IncidentRow("i", bad, 5, bad, now, now, bad, bad, 1, bad)
    desk.cases += [replace(row, id=text or "i", title=text, state=text, containment=text) for text in everything]
    desk.files["i"] = hostile_case(replace(row, state="open"), everything, desk.orders)
    joined = "\n".join(everything)
    desk.change = DefinitionChange(joined[::-1], joined, bad, bad, everything)
    desk.life += [PinMoment(now, text, text, text) for text in everything]
    desk.definitions.append(Pin("s", "tool", bad, bad, bad, now, bad, now, bad))
    definition = "/definition?server=s&kind=tool&name=%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    return [
        *PATHS,
        f"/events/{desk.events[0].id}",
        definition,
        "/incidents/i",
        "/approvals/a",
        f"/alerts/{desk.queue[0].opened.alert.id}",
        "/rules/r-0",
    ]


@pytest.mark.behaviour("web.response-in-a-browser")
@pytest.mark.behaviour("web.inbox-on-a-phone")
def test_a_waiting_run_is_approved_by_hand_and_its_order_is_in_force_and_drawn(
    browser: WebDriver, serve_console: Any, desk: Any, tmp_path: Path
) -> None:
    with played(serve_console, desk, tmp_path) as play:
        play.estate.raise_alert(1, title=HOSTILE[1], principal="agent:desk")
        gate = play.waits("hold")
        with play.running.inside("eve") as eve:
            (binding,) = re.findall(r'name="binding" value="([^"]+)"', eve.get(f"/gates/{gate}").text)
            said = {"choice": "approve", "comment": "the owner did not do it", "binding": binding}
            assert eve.post(f"/gates/{gate}/say", data=said, headers={"Sec-Fetch-Site": "same-origin"}).is_redirect
        enter(browser, play.running)
        browser.get(f"{play.running.url}/approvals")
        browser.find_element(By.TAG_NAME, "body").send_keys("jo")
        WebDriverWait(browser, 20).until(lambda b: b.current_url.endswith(gate))
        assert_inert(browser)
        browser.find_element(By.TAG_NAME, "body").send_keys("r")
        assert browser.execute_script("return document.activeElement.name") == "comment"
        browser.switch_to.active_element.send_keys("I looked at the diff")
        browser.find_element(By.CSS_SELECTOR, "button[value=approve]").click()
        play.estate.until(lambda: play.holds() == ["files/read_file"])
        play.waits("ask")
        (number,) = {event.body["incident"] for event in play.estate.events("respond.gate.opened")}
        run = play.estate.events("respond.gate.opened")[0].body["run"]
        for width in (1400, 390):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            for path in (f"/incidents/{number}", f"/runs/{run}", f"/gates/{gate}", "/runs", "/playbooks", "/approvals"):
                browser.get(play.running.url + path)
                assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
                assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path
                assert_inert(browser)
        cells = browser.find_elements(By.CSS_SELECTOR, ".held td")  # on the telephone's inbox
        edges = "const at = arguments[0].getBoundingClientRect(); return [at.left >= 0, at.right <= innerWidth]"
        assert {tuple(browser.execute_script(edges, cell)) for cell in cells} == {(True, True)}
        browser.get(f"{play.running.url}/incidents/{number}")
        drawn = browser.execute_script("return document.querySelector('.blast-map').textContent")
        assert "files/read_file" in drawn
        assert "hold tool files/rea" in drawn
        browser.find_element(By.TAG_NAME, "body").send_keys("a")
        told = "return document.querySelector('.case-line')?.textContent ?? ''"
        WebDriverWait(browser, 20).until(lambda b: "by operator:ada" in b.execute_script(told))
        browser.find_element(By.TAG_NAME, "body").send_keys("n")
        assert browser.execute_script("return document.activeElement.name") == "text"
        assert_inert(browser)


@pytest.mark.behaviour("web.oncall-on-a-phone")
def test_whoever_is_called_at_night_takes_the_incident_on_by_telephone(
    browser: WebDriver, serve_console: Any, desk: Any, tmp_path: Path
) -> None:
    people = {name: PersonSettings(channels=("pager",)) for name in ("ada", "eve")}
    oncall = settings_of(people=people, layers=(LayerSettings(people=("ada",)),))
    for shift in served(serve_console, desk, tmp_path / "data", oncall):
        shift.handovers.round()
        shift.incident(1, title=HOSTILE[1])
        shift.incident(2, title="e" * 400)
        enter(browser, shift.running)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        browser.get(f"{shift.running.url}/oncall")
        assert browser.find_element(By.CSS_SELECTOR, "h1").is_displayed()
        assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE["width"]
        assert_inert(browser)
        take = browser.find_element(By.CSS_SELECTOR, "button[value=ack]")
        box = browser.execute_script(
            "const at = arguments[0].getBoundingClientRect(); return [at.left, at.right, at.height]", take
        )
        assert (box[0] >= 0, box[1] <= PHONE["width"], box[2] >= 32) == (True, True, True), box  # a thumb finds it
        take.click()
        WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException]).until(
            lambda b: "operator:ada" in b.find_element(By.ID, "h-open").find_element(By.XPATH, "../..").text
        )
        assert_inert(browser)
