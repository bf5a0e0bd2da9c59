"""The guide to integrations does what it says: its settings, its commands, its playbook and its program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.app.test_replying import Elsewhere, clock, desk, serve_console, there
from tests.respond.integrations.servers import elsewhere
from tests.respond.integrations.test_repository import Clone
from tests.respond.integrations.tracker import Tracker
from tests.respond.webhooks.conftest import SECRET
from watchkeeper.app.integrations import check_all, integrations_of, keepers_of, token_issuers_of
from watchkeeper.app.settings import load
from watchkeeper.cli import main
from watchkeeper.core.clock import SystemClock
from watchkeeper.respond.service import load_actions
from watchkeeper.respond.shelf import shelve

__all__ = ["clock", "desk", "serve_console", "there"]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "integrations.md").read_text(encoding="utf-8")
GIVEN = {
    "SMTP_PASSWORD": "p", "HOOK_SECRET": SECRET, "PAGER_KEY": "k", "TRACKER_TOKEN": "t0k3n", "CLIENT_SECRET": "c",
}  # fmt: skip
Serve = Callable[..., AbstractContextManager[Any]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WATCHKEEPER_CONFIG", raising=False)
    folder = tmp_path / "guide"
    folder.mkdir()
    Clone(folder / "clone").commit("one", config="a\n")
    (folder / "backend.key").write_text("old")
    with elsewhere(lambda _: (200, b"ok")) as chat, elsewhere(Tracker()) as tracker:
        monkeypatch.setenv("SLACK_WEBHOOK", chat.url)
        text = "\n".join(blocks("toml")).replace("/srv/clones/mcp-config", str(folder / "clone"))
        text = text.replace("/etc/mcp/backend.key", str(folder / "backend.key"))
        text = text.replace("https://tracker.example.org/api", tracker.url)
        hosts = f'[fetch]\nallow_hosts = ["http://{chat.host}", "http://{tracker.host}"]\n'
        (folder / "watchkeeper.toml").write_text(hosts + text)
        yield folder


@pytest.mark.behaviour("integrations.tested")
def test_the_settings_of_the_page_work_and_so_do_its_commands(data: Path) -> None:
    loaded, now = load(None, data), SystemClock()
    check_all(loaded)
    assert set(integrations_of(loaded, now)) == {"ops", "soc", "siem", "duty", "tracker", "config"}
    assert (set(token_issuers_of(loaded, now)), set(keepers_of(loaded, now))) == ({"issuer"}, {"backend_key"})
    commands = [shlex.split(line.removeprefix("$ "))[1:] for block in blocks("console") for line in block.splitlines()]
    for words in commands:
        done = CliRunner().invoke(main, [*words, "--data", str(data)])
        assert done.exit_code == 0, (words, done.output)
    assert len(commands) == 3


def test_the_playbook_of_the_page_is_one() -> None:
    (text,) = blocks("yaml")
    shelved = shelve(text.encode(), load_actions(), name="guide.yaml")
    assert shelved.playbook.id == "reach_out"


@pytest.mark.behaviour("integrations.replies")
def test_the_program_of_the_page_is_heard(there: Elsewhere) -> None:
    (program,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(program, "guide", "exec"), names)
    client: httpx.Client = there.client
    said = {"incident": there.number, "verb": "comment", "by": "ann", "comment": "seen"}
    told = names["reply"](f"{str(client.base_url).rstrip('/')}/hooks/integrations/pager", SECRET, said)
    assert told == {"incident": there.number, "verb": "comment"}
    assert "pager says comment for ann, unverified: seen" in there.lines()
