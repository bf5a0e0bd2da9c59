"""What persons let clients do in their name, as a thief has it: what the tokens are worth, before and afterwards.

Asked are the authorization server that issued them and the server that they are for, past our own gateway.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from watchkeeper.exercise.agent import AUTO
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Unseen
from watchkeeper.exercise.incidents.ports import Ground, Held
from watchkeeper.exercise.incidents.scenes import show_and_approve
from watchkeeper.exercise.stage import CLIENT, THIEF

_TRIES, _PAUSE = 100, 0.2
GOOD = "its issuer calls both tokens active, and the server takes the access token"
WORTHLESS = "inactive, refused and not renewed; what another client was granted is still good"


class Granted:
    """What two clients were granted at the server for members."""

    def __init__(self, ground: Ground, scene: Scene) -> None:
        self._ground = ground
        self._scene = scene
        self._held = self._other = Held("", "")

    async def lend(self) -> str:
        """Persons sign in, for two clients; what came of it is good, and our gateway uses it."""
        for client in (CLIENT, THIEF):
            await self._scene.token(client)  # a client that gets a new one loses what it was granted
        self._held = await self.sign_in()
        self._other = await asyncio.to_thread(self._ground.sign_in, THIEF)
        for held in (self._held, self._other):
            if not all(await self._worth(held)):
                raise Unseen("what was granted is not taken")
        await show_and_approve(self._scene)
        return GOOD

    async def sign_in(self) -> Held:
        """A person signs in for the client, and our gateway has seen it. Raises `Unseen` when it does not."""
        held = await asyncio.to_thread(self._ground.sign_in, CLIENT)
        for _ in range(_TRIES):  # what it refused is refused for a moment more
            with suppress(Exception):  # a client that is shut out fails in whatever way its library has
                async with self._scene.agent(era=AUTO):
                    return held
            await asyncio.sleep(_PAUSE)
        raise Unseen("a person signed in, and the client is still shut out")

    async def worthless(self) -> str:
        """Nobody takes anything of the one any more; what the other has is as good as it was."""
        if any(said := await self._worth(self._held)) or await self._ground.members.renews(self._held.refresh):
            raise Unseen(f"a revoked token is good for something: taken, active, renewable are {said}")
        if not all(await self._worth(self._other)):
            raise Unseen("what another client was granted is worthless, too")
        return WORTHLESS

    async def _worth(self, held: Held) -> tuple[bool, bool, bool]:
        """Whether the server takes the one token, and whether the issuer calls each of them active."""
        members = self._ground.members
        return (
            await members.takes(held.access),
            await members.is_active(held.access),
            await members.is_active(held.refresh),
        )
