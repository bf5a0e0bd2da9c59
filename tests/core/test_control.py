from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core import control
from watchkeeper.core.errors import Conflict, NotFound, Unavailable, WatchkeeperError
from watchkeeper.core.files import socket_path


async def echo(arguments: dict[str, Any]) -> Any:
    return arguments


async def refuse(_: dict[str, Any]) -> Any:
    raise Conflict("held", hint="wait")


async def fail(_: dict[str, Any]) -> Any:
    raise ZeroDivisionError


@pytest.mark.behaviour("core.control-is-private")
async def test_a_service_answers_over_a_socket_of_its_owner(tmp_path: Path) -> None:
    path = socket_path(tmp_path, "watch")
    async with await control.serve(path, {"echo": echo}):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await control.ask_async(path, "echo", {"a": [1, "ü"]}) == {"a": [1, "ü"]}


async def test_a_refusal_arrives_as_the_error_it_was(tmp_path: Path) -> None:
    path = socket_path(tmp_path, "watch")
    async with await control.serve(path, {"refuse": refuse, "fail": fail}):
        with pytest.raises(Conflict) as caught:
            await control.ask_async(path, "refuse")
        assert (caught.value.reason, caught.value.hint) == ("held", "wait")
        with pytest.raises(NotFound):
            await control.ask_async(path, "nothing")
        with pytest.raises(WatchkeeperError) as broken:
            await control.ask_async(path, "fail")
        assert broken.value.code == "error"


def test_no_service_and_a_dead_socket_are_told_apart_from_an_answer(tmp_path: Path) -> None:
    path = socket_path(tmp_path, "watch")
    with pytest.raises(control.NoService):
        control.ask(path, "echo")
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises((NotFound, Unavailable)):
        control.ask(path, "echo")
