"""Makes the pictures of the documents from the real thing: `up --demo` on free ports, then a headless browser.

Needs Debian's `chromium` and `chromium-driver` (or another Chrome with its driver on the PATH).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import available_timezones

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from watchkeeper.app.attacking import attack
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded, load
from watchkeeper.app.up import Up
from watchkeeper.exercise.agent import connect

HERE = Path(__file__).parent
SIZE = (1440, 1043)
"""Outer size; what is seen is 1440 by 900."""
ZONES = sorted(zone for zone in available_timezones() if zone.startswith(("Europe/", "Asia/", "America/", "Africa/")))
"""Many: an agent that asks the same again and again is found to go round in circles, which would be an incident."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    f"--window-size={SIZE[0]},{SIZE[1]}",
)
PICTURES = {"console": "/", "traffic": "/traffic"}
"""Picture → page; none that names a folder of the machine it was made on."""


ONCALL = """
[respond.oncall]
levels = [{ page = ["rota:primary"] }, { page = ["person:cy"], after_minutes = 10 }]
fallback = ["person:dora"]
fallback_minutes = 30
[respond.oncall.channels.pager]
url = "http://127.0.0.1:PORT/hooks/oncall"
secret = "file:SECRET"
[respond.oncall.people]
ann = { channels = ["pager"], zone = "Europe/Berlin" }
bob = { channels = ["pager"], zone = "America/New_York" }
cy = { channels = ["pager"] }
dora = { channels = ["pager"] }
[respond.oncall.rotas.primary]
zone = "Europe/Berlin"
layers = [{ people = ["ann", "bob"], every = "week", handover = "mon 09:00" }]
[deadman.pages.pager]
url = "http://127.0.0.1:PORT/hooks/deadman"
secret = "file:SECRET"
[fetch]
allow_hosts = ["127.0.0.1:PORT"]
"""
"""A rota, and somebody outside; the receiver is real and takes every page."""
PLAYBOOK = "stolen_secrets"
"""What an operator has run for the incident: its branches wait for a person."""
SAID = urlencode({"i.secret": "demo/notes-token"})
POLICY = """
@id("team.conversions-need-a-person")
@reason("A person looks at each conversion before it is made.")
@effect("ask") @role("responder") @quorum("2") @expires("30m")
forbid (principal, action == Action::"call_tool", resource == Tool::"time/convert_time");
"""
"""So that a call waits in the picture of the inbox."""
LATER = {"alerts": "/alerts?state=all", "coverage": "/coverage"}
"""The same, once every attack was run: the other pictures show one incident, not thirty."""
SEARCH = urlencode({"q": "kind:gateway.request,detect.alert", "since": "15m"})
HELD = {"source_timezone": "Europe/Lisbon", "time": "17:20", "target_timezone": "Asia/Tokyo"}


class _Takes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def pager() -> Iterator[int]:
    """Somebody who takes pages; the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Takes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings_of(data: Path, port: int) -> Loaded:
    """The demo's, with the policy and the rota above; a held call is told at once to come again."""
    secret = data / "pager.secret"
    secret.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode(), encoding="utf-8")
    secret.chmod(0o600)
    rota = ONCALL.replace("PORT", str(port)).replace("SECRET", str(secret))
    policies = data / "policies"
    policies.mkdir()
    (policies / "asks.cedar").write_text(POLICY, encoding="utf-8")
    sections = {"gateway": "port = 0", "console": "port = 0", "approvals": "wait_seconds = 0"}
    sections["policy"] = f"folders = [{json.dumps(str(policies))}]"
    path = data / "watchkeeper.toml"
    path.write_text("\n".join(f"[{name}]\n{text}" for name, text in sections.items()) + rota, encoding="utf-8")
    with opened(data, "cli") as platform:
        for name in ("ann", "bob", "cy", "dora"):
            platform.roster.invite(name, "responder", "operator:root")
    return load(path, data)


def browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = shutil.which("chromedriver")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver) if driver else None)


@contextmanager
def inside(link: str, profile: str) -> Iterator[webdriver.Chrome]:
    """A browser that came in by the link."""
    base = link.partition("/enter")[0]
    driver = browser(profile)
    try:
        driver.get(link)
        wait = WebDriverWait(driver, 10)
        wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda d: d.current_url == f"{base}/")
        yield driver
    finally:
        driver.quit()


def take_pages(driver: webdriver.Chrome, base: str, pages: dict[str, str], folder: Path) -> None:
    for name, path in pages.items():
        driver.get(base + path)
        driver.save_screenshot(str(folder / f"{name}.png"))


def take(up: Up, data: Path, folder: Path, profile: str) -> None:
    """Every picture; the attacks are run once those of the one incident are taken."""
    link = up.link()
    base = link.partition("/enter")[0]
    with inside(link, profile) as driver:
        take_pages(driver, base, PICTURES, folder)
        driver.get(f"{base}/events?{SEARCH}")
        driver.find_element(By.CSS_SELECTOR, ".row > summary").click()
        driver.save_screenshot(str(folder / "search.png"))
        driver.get(f"{base}/approvals")
        driver.find_element(By.CSS_SELECTOR, "table.held a.opens").click()
        driver.save_screenshot(str(folder / "approval.png"))
        take_response(driver, base, folder)
        attack(data, up.urls, (), lambda outcome: None)
        take_pages(driver, base, LATER, folder)


def take_response(driver: webdriver.Chrome, base: str, folder: Path) -> None:
    """An incident, a run that waits for people, the inbox with both kinds, and on-call."""
    driver.get(f"{base}/incidents")
    driver.find_element(By.CSS_SELECTOR, "a[href^='/incidents/']").click()
    number = driver.current_url.rpartition("/")[2]
    driver.save_screenshot(str(folder / "incident.png"))
    driver.get(f"{base}/playbooks/{PLAYBOOK}?incident={number}&{SAID}")
    driver.find_element(By.NAME, "reason").send_keys("A credential was in what the agent tried to send.")
    driver.find_element(By.CSS_SELECTOR, "form[action$='/run'] button").click()
    wait = WebDriverWait(driver, 60)
    wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, "a[href^='/gates/']"))
    driver.save_screenshot(str(folder / "run.png"))
    take_pages(driver, base, {"inbox": "/approvals", "oncall": "/oncall"}, folder)


async def honest_calls(up: Up) -> None:
    """Two minutes of a real client asking a real server, so that the pictures show traffic."""
    snippet = json.loads((up.snippet()).read_text(encoding="utf-8"))["mcpServers"]["time"]
    token = snippet["headers"]["Authorization"].removeprefix("Bearer ")
    async with connect(snippet["url"], token, "auto") as agent:
        await agent.tools()
        await agent.call("convert_time", HELD)
        for second in range(120):
            for call in range(1 + second * 3 % 7):
                zone = ZONES[(second * 7 + call) % len(ZONES)]
                await agent.call("get_current_time", {"timezone": zone})
            await asyncio.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        tempfile.TemporaryDirectory() as profile,
        pager() as port,
        Up(settings_of(Path(data), port), demo=True, told=sys.stderr.write) as up,
    ):
        asyncio.run(honest_calls(up))
        report = up.exercise(lambda step: None)
        if not report.passed:
            sys.exit(f"not every step was seen; no pictures: {report}")
        take(up, Path(data), chosen.out, profile)


if __name__ == "__main__":
    main()
