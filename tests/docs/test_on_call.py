"""The settings of the pages on on-call and on the dead-man's switch are taken as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.respond.webhooks.conftest import SECRET
from watchkeeper.app.calling import check_oncall
from watchkeeper.app.deadman import check_deadman
from watchkeeper.app.settings import Loaded, load
from watchkeeper.cli.main import main
from watchkeeper.respond.oncall.reading import plan_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (DOCS / "guides" / "on-call.md", DOCS / "concepts" / "deadman.md")


def settings_in(page: Path, folder: Path) -> list[Loaded]:
    found = []
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)):
        path = folder / f"{page.stem}-{number}.toml"
        path.write_text(text, encoding="utf-8")
        found.append(load(path, folder))
    return found


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAGER_SECRET", "PING_SECRET", "DEADMAN_SECRET"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("MAIL_PASSWORD", "x")


def test_the_first_rota_of_the_guide_is_one(tmp_path: Path) -> None:
    (loaded,) = settings_in(PAGES[0], tmp_path)
    check_oncall(loaded)
    plan = plan_of(loaded.settings.respond.oncall)
    assert plan.is_on
    assert [rung.is_fallback for rung in plan.rungs] == [False] * 4 + [True]


def test_both_halves_of_the_switch_can_be_set_up_as_the_page_says(tmp_path: Path) -> None:
    inside, outside = settings_in(PAGES[1], tmp_path)
    check_deadman(inside)
    assert inside.settings.deadman.is_on
    assert set(outside.settings.deadman.listen.instances) == {inside.settings.deadman.name}
    slow = inside.settings.deadman
    assert slow.canary_seconds + slow.silent_seconds + 3 * slow.look_seconds <= 60


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_is_shown_is_one(page: Path) -> None:
    told = re.findall(r"^\$ watchkeeper (\w+) (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert told
    for group, name in told:
        command = main.get_command(None, group)  # type: ignore[arg-type]  # it looks at the name alone
        assert command is not None
        assert name in command.commands  # type: ignore[attr-defined]  # a group
