"""A held call decided in a real browser: `watchkeeper up`, a real agent's call, an operator with a keyboard."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tests.app.conftest import FREE, Running, command
from tests.app.gateway_process import Client
from tests.app.mcp_server import small_server
from tests.web.test_browser import assert_inert, browser

__all__ = ["browser"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
POLICY = """
@id("mine.ask-before-echo") @reason("A person decides about every echo.")
@effect("ask") @role("responder") @expires("15m")
forbid (principal, action == Action::"call_tool", resource == Tool::"small/echo");
"""


def press(browser: WebDriver, chosen: str) -> None:
    """Go there with the tabulator alone, and press Enter."""
    for _ in range(60):
        here = browser.switch_to.active_element
        if chosen in (here.text, here.get_attribute("href") or ""):
            here.send_keys(Keys.ENTER)
            return
        here.send_keys(Keys.TAB)
    raise AssertionError(f"the keyboard does not lead to {chosen}")


@pytest.mark.behaviour("inbox.end-to-end")
def test_an_operator_approves_a_held_call_in_the_console_and_it_goes_through(
    tmp_path: Path, browser: WebDriver
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ask.cedar").write_text(POLICY)
    wait = WebDriverWait(browser, 60)
    with small_server() as server, ThreadPoolExecutor(1) as pool:
        policy = f"[policy]\nfolders = [{json.dumps(str(tmp_path / 'policies'))}]\n[approvals]\nwait_seconds = 60\n"
        settings = f'{FREE}{policy}[servers.small]\nurl = "{server.url}"\n'
        running = Running(tmp_path, settings=settings)
        try:
            running.until("Ctrl-C drains")
            told = command("operators", "invite", "ada", "--role", "responder", "--data", str(running.data))
            (link,) = re.findall(r"http://\S+#wklink_\S+", told.stdout)
            browser.get(link)
            wait.until(lambda b: b.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
            press(browser, "Enter")
            wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "nav"))
            browser.get(link.partition("/enter")[0] + "/approvals")
            assert "Nothing waits for a person" in browser.find_element(By.TAG_NAME, "main").text

            entry = running.clients()["small"]
            agent = Client(str(entry["url"]), dict(entry["headers"])["Authorization"].removeprefix("Bearer "))
            held = pool.submit(agent.call)
            wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "table.held tbody tr"))
            wait.until(lambda b: b.find_element(By.CSS_SELECTOR, ".count").text.startswith("1"))
            assert "mine.ask-before-echo" in browser.find_element(By.CSS_SELECTOR, "table.held").text
            press(browser, "small/echo")
            wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "form.decide"))
            assert "A person decides about every echo." in browser.find_element(By.TAG_NAME, "main").text
            assert_inert(browser)
            assert not held.done()
            press(browser, "Approve this call once")
            assert held.result(60).json["result"].get("isError") is None
            wait.until(lambda b: "approved and used" in b.find_element(By.TAG_NAME, "main").text)
            wait.until(lambda b: not b.find_elements(By.CSS_SELECTOR, "form.decide"))
            assert server.methods().count("tools/call") == 1
            agent.close()
        finally:
            running.stop()
    done = command("approvals", "list", "--all", "--data", str(running.data), "--json")
    (row,) = json.loads(done.stdout)
    assert [(vote["operator"], vote["role"]) for vote in row["votes"]] == [("operator:ada", "responder")]
