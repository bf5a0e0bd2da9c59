"""The training server for members and its authorization server, as a process of their own, and how both are asked.

with Members(folder, state) as members:
    back = agree(invitation)            # what a person at a browser does
    await members.takes(token)          # whether the server lets in whoever comes with this token
    await members.is_active(token)      # what the authorization server says of it
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Self

import httpx2

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import write_private

CLIENT_ID = "watchkeeper"
"""The one client that persons let act for them."""
REDIRECT_URI = "http://127.0.0.1:7399/callback"
"""Where it says that browsers come back to."""
_HOST = "127.0.0.1"
_SECONDS = 20.0
_PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
_JSON = {"Accept": "application/json, text/event-stream"}


class Members:
    """Both servers, from entering the context to leaving it, on a port that was free."""

    def __init__(self, folder: Path, state: Path) -> None:
        self._state = state
        self._listener = socket.create_server((_HOST, 0))
        self._process: subprocess.Popen[bytes] | None = None
        self.issuer = f"http://{_HOST}:{self._listener.getsockname()[1]}"
        self.url = f"{self.issuer}/mcp"
        self.secret_file = folder / "members.secret"
        """With the client's secret."""
        self._secret = token_urlsafe(32)
        write_private(self.secret_file, self._secret.encode())

    def __enter__(self) -> Self:
        listener = self._listener.fileno()
        command = [sys.executable, "-m", "watchkeeper.exercise.members_server", "--listener", str(listener)]
        command += ["--secret", str(self.secret_file), "--state", str(self._state)]
        self._process = subprocess.Popen(command, pass_fds=(listener,))  # noqa: S603 — our own program
        self._listener.close()  # whoever comes before it answers waits at the socket that it was handed
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    async def takes(self, token: str) -> bool:
        """Whether the server lets in whoever comes with this token. Raises `Unavailable`."""
        status = (await self._post(self.url, json=_PING, headers=_JSON | {"Authorization": f"Bearer {token}"}))[0]
        return status != 401

    async def is_active(self, token: str) -> bool:
        """What the authorization server says of a token, by RFC 7662. Raises `Unavailable`."""
        status, said = await self._post(f"{self.issuer}/introspect", data=self._as_client(token=token))
        if status != 200 or not isinstance(said.get("active"), bool):
            raise Unavailable(f"the authorization server does not say what a token is worth: {status}")
        return bool(said["active"])

    async def renews(self, token: str) -> bool:
        """Whether it gives a new token for this refresh token; the old one is used up by that. Raises `Unavailable`."""
        asked = self._as_client(grant_type="refresh_token", refresh_token=token)
        return (await self._post(f"{self.issuer}/token", data=asked))[0] == 200

    def _as_client(self, **fields: str) -> dict[str, str]:
        return {"client_id": CLIENT_ID, "client_secret": self._secret} | fields

    async def _post(self, url: str, **what: Any) -> tuple[int, dict[str, Any]]:
        try:
            async with httpx2.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
                answer = await http.post(url, **what)
        except httpx2.HTTPError as error:
            raise Unavailable(f"the server for members does not answer: {type(error).__name__}") from error
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        said = answer.json() if is_json else {}
        return answer.status_code, said if isinstance(said, dict) else {}


def agree(invitation: str) -> str:
    """Agree, as a person at a browser who is invited to let a client act; where the browser is sent back to."""
    answer = httpx2.get(invitation, follow_redirects=False, trust_env=False, timeout=_SECONDS)
    return str(answer.headers.get("location", ""))
