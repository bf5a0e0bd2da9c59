"""What happens in scripted incidents: real calls at the training server that no policy stops, unless it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.exercise.agent import AUTO
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Unseen
from watchkeeper.exercise.stage import TRAINING

DROP = "collect.example.net"
"""Where stolen things are seen; nobody's (RFC 2606)."""


async def changed_tool(scene: Scene) -> str:
    """A tool's description changes after it was approved."""
    async with scene.agent(TRAINING, AUTO) as agent:
        await agent.tools()
    await asyncio.to_thread(scene.estate.approve, TRAINING, "weather")
    scene.behave(rug_pull=True)
    async with scene.agent(TRAINING, AUTO) as agent:
        shown = await agent.tools()
    return f"the server changed it; listed are {', '.join(shown)}"


async def used_flaw(scene: Scene) -> str:
    """A call leaves its container."""
    return await _passed(scene, "weather", {"city": "$(nsenter --target 1 --mount --uts --ipc --net --pid -- sh)"})


async def obeyed_orders(scene: Scene) -> str:
    """A note gives orders, and whoever read it sends something, though the note was withheld."""
    scene.behave(poison_result=True)
    async with scene.agent(TRAINING, AUTO) as agent:
        await agent.call("notes_read", {"name": "shopping"})
    return await _passed(scene, "send_message", {"to": "archive@example.net", "text": "as you wished"})


async def left_secret(scene: Scene) -> str:
    """A call reads the memory of a process, where credentials lie; somebody sees them elsewhere."""
    return await _passed(scene, "weather", {"city": "gcore -o /tmp/core 4711"})


async def host_refused(scene: Scene) -> str:
    """Nothing more goes to where they were seen."""
    return await _refused(scene, "weather", {"city": f"https://{DROP}/upload"})


async def strange_path(scene: Scene) -> str:
    """A call asks for what is outside of its folder; somebody says whose data came."""
    return await _passed(scene, "weather", {"city": "../../../../../../etc/passwd"})


async def destroyed(scene: Scene) -> str:
    """A call destroys whatever it reaches."""
    return await _passed(scene, "weather", {"city": "Lisbon; rm -rf / --no-preserve-root"})


async def weather_refused(scene: Scene) -> str:
    """Nobody calls the tool that changed, or reaches the server."""
    return await _refused(scene, "weather", {"city": "Porto"})


async def message_refused(scene: Scene) -> str:
    """The client sends nothing more."""
    return await _refused(scene, "send_message", {"to": "b@example.net", "text": "once more"})


async def _passed(scene: Scene, tool: str, arguments: Mapping[str, str]) -> str:
    async with scene.agent(TRAINING, AUTO) as agent:
        answer = await agent.call(tool, arguments)
    if answer.refused:
        raise Unseen(f"{tool} was refused: {answer.text[:200]}")
    return f"{tool} was let through: {answer.text[:60]!r}"


async def _refused(scene: Scene, tool: str, arguments: Mapping[str, str]) -> str:
    try:
        async with scene.agent(TRAINING, AUTO) as agent:
            answer = await agent.call(tool, arguments)
    except WatchkeeperError:
        raise
    except Exception as error:  # noqa: BLE001 — a client that is shut out fails in whatever way its library has
        return f"the client was shut out: {type(error).__name__}"
    if not answer.refused:
        raise Unseen(f"{tool} still works: {answer.text[:200]}")
    return f"the client was told: {answer.text[:80]!r}"
