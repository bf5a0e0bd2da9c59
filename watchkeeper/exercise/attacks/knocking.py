"""What comes over the wire and is no client: strangers, stolen sessions, tokens for others, malformed messages."""

from __future__ import annotations

import base64
import json

from watchkeeper.exercise.attacks.model import Result
from watchkeeper.exercise.attacks.scene import MODERN, VERSION, Reply, Scene, handshake, request
from watchkeeper.exercise.stage import THIEF

_LIST = request("tools/list")
_LEGACY = {"MCP-Protocol-Version": VERSION}
_SPOKEN = "io.modelcontextprotocol/protocolVersion"
_LARGE = 17 * 1024 * 1024


async def no_token(scene: Scene) -> Result:
    """Nobody at all."""
    return _refused(await scene.send(_LIST, _LEGACY))


async def foreign_origin(scene: Scene) -> Result:
    """A page in the user's browser, with a token it got somewhere."""
    headers = await scene.bearer() | {"Origin": "https://evil.example.net"}
    return _refused(await scene.send(_LIST, _LEGACY | headers))


async def rebound_name(scene: Scene) -> Result:
    """A page whose name was pointed at this host (DNS rebinding)."""
    headers = await scene.bearer() | {"Host": "rebind.example.net"}
    return _refused(await scene.send(_LIST, _LEGACY | headers))


async def token_passthrough(scene: Scene) -> Result:
    """A token that was issued for another service, passed through."""
    token = ".".join(_part(part) for part in ({"alg": "RS256", "kid": "k"}, _CLAIMS, {"no": "signature"}))
    return _refused(await scene.send(_LIST, _LEGACY | {"Authorization": f"Bearer {token}"}))


async def stolen_session(scene: Scene) -> Result:
    """A session's id, used by another principal."""
    opened = await scene.send(handshake(), await scene.bearer())
    session = opened.headers.get("mcp-session-id", "")
    if not session:
        return Result(stopped=True, detail=f"no session was opened: {opened.status}")
    other = await scene.bearer(THIEF)
    return _refused(await scene.send(_LIST, _LEGACY | other | {"Mcp-Session-Id": session}))


async def oversize(scene: Scene) -> Result:
    """A message that is larger than any."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"' + b"A" * _LARGE + b'"}}'
    return _refused(await scene.send(body, _LEGACY | await scene.bearer()))


async def two_meanings(scene: Scene) -> Result:
    """A message with a key that stands twice: two parsers, two meanings."""
    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call",'
        b'"params":{"name":"send_message","arguments":{}}}'
    )
    return _refused(await scene.send(body, _LEGACY | await scene.bearer()))


async def false_header(scene: Scene) -> Result:
    """A header that says another method than the message: for who judges by headers."""
    headers = await scene.bearer() | {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}
    call = {"name": "send_message", "arguments": {"to": "a", "text": "b"}}
    body = request("tools/call") | {"params": call | {"_meta": {_SPOKEN: MODERN}}}
    return _refused(await scene.send(body, headers))


_CLAIMS = {"iss": "https://login.example.net", "aud": "https://other.example.net", "sub": "mallory", "exp": 4102444800}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _refused(reply: Reply) -> Result:
    return Result(reply.status >= 400 or '"error"' in reply.text, f"{reply.status}: {reply.text[:160]}")
