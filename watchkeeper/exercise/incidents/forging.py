"""Policies that nobody who is trusted has signed, and somebody who tries to install them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import cast

from watchkeeper.core.errors import Untrusted
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.exercise.attacks.scene import Scene
from watchkeeper.exercise.demo import Unseen
from watchkeeper.exercise.incidents.ports import Ground
from watchkeeper.policy.bundles.envelope import PAYLOAD_TYPE, Envelope, sign


async def strange_policies(scene: Scene) -> str:
    """A bundle that a stranger's key signed is handed to the installation."""
    stranger, trusted = SigningKey.generate(), SigningKey.generate()
    envelope = sign(Envelope(b64encode(b"{}").decode(), PAYLOAD_TYPE), stranger)
    settings = {"trust": {"keys": {"somebody": public_text(trusted.public)}}}
    ground = cast(Ground, scene.estate)
    try:
        await asyncio.to_thread(ground.ask, "policy.install", bundle=envelope.raw().decode(), settings=settings)
    except Untrusted as refused:
        return f"it was refused: {refused.reason}"
    raise Unseen("strange policies were installed")
