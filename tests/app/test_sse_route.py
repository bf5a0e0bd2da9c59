"""A legacy HTTP+SSE server in the settings of a running gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.app.gateway_process import gateway_process
from tests.gateway.http_sse.test_real import real_server, serving
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import JournalReader
from watchkeeper.exercise.agent import connect
from watchkeeper.gateway.settings import ServerSettings, check_server


@pytest.mark.slow
@pytest.mark.behaviour("sse.real-server")
async def test_a_legacy_server_of_the_settings_is_guarded_like_any_other(tmp_path: Path) -> None:
    async with serving(real_server()) as url:
        settings = tmp_path / "watchkeeper.toml"
        settings.write_text(f'[gateway]\nport = 0\n[servers.old]\nurl = "{url}"\ntransport = "sse"\n')
        starting = gateway_process(tmp_path, "--config", str(settings))
        running = await asyncio.to_thread(starting.__enter__)
        try:
            async with connect(running.url, running.token, "auto") as agent:
                assert "greet" in await agent.tools()
                assert not (await agent.call("greet", {"name": "you"})).refused
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)
    events = [record.event for record in JournalReader(running.data).read({}, 10_000) if record.event]
    called = [event for event in events if event.target == "greet" and event.kind == "gateway.request.decided"]
    assert [(event.server, event.era, event.outcome) for event in called] == [("old", "legacy", "allow")]
    assert any(event.kind == "gateway.session.opened" for event in events)


def test_a_transport_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match="transport"):
        check_server("a", ServerSettings(url="http://127.0.0.1:1/sse", transport="websocket"))
    with pytest.raises(Misconfigured, match="transport"):
        check_server("a", ServerSettings(command=("a",), transport="sse"))
