"""Asking a running service of ours: one JSON object a line over a Unix socket that only its owner can open.

Request `{"do": NAME, "with": {…}}`, answer `{"ok": …}` or `{"error": {"code", "reason", "hint"}}`. Who may connect
is said by the socket's mode (0600) and its folder's (0700).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from watchkeeper.core import errors
from watchkeeper.core.sockets import check_folder, leave, listening

Handler = Callable[[dict[str, Any]], Awaitable[Any]]
"""Takes the request's `with`, returns what becomes `ok`; raises `WatchkeeperError` to refuse."""


class NoService(errors.NotFound):
    """Nobody listens: no service of ours runs on this data folder."""

    code = "no_service"


_LIMIT = 16 * 1024 * 1024
_log = logging.getLogger(__name__)
_CODES: dict[str, type[errors.WatchkeeperError]] = {
    kind.code: kind
    for kind in (
        errors.Misconfigured,
        errors.Invalid,
        errors.NotFound,
        errors.Conflict,
        errors.Denied,
        errors.Untrusted,
        errors.Unavailable,
    )
}


class Service:
    """Listens until it is closed, and takes its socket away then."""

    def __init__(self, server: asyncio.Server, path: Path) -> None:
        self._server = server
        self._path = path
        self._is_open = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()

    def close(self) -> None:
        """Answer nobody any more. The second time it does nothing: another process may be at the same place by then."""
        if self._is_open:
            self._is_open = False
            self._server.close()
            leave(self._path)

    async def wait_closed(self) -> None:
        """As a server's."""
        await self._server.wait_closed()


async def serve(path: Path, handlers: Mapping[str, Handler]) -> Service:
    """Listen on `path`; the caller closes it. A stale socket file is replaced: whoever calls holds the lock."""
    one = listening(path)
    server = await asyncio.start_unix_server(lambda r, w: _talk(r, w, handlers), sock=one, limit=_LIMIT)
    return Service(server, path)


def ask(path: Path, name: str, arguments: Mapping[str, Any] | None = None, *, timeout: float = 30.0) -> Any:
    """One question to the service at `path`, blocking. Raises what the service raised.

    Raises `NoService` when nobody listens there, `Denied` when it is another user's, `Unavailable` when it does not
    answer in time, and `Untrusted` when somebody else may have made its folder.
    """
    check_folder(path.parent)
    line = msgspec.json.encode({"do": name, "with": arguments or {}}) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout)
            link.connect(str(path))
            link.sendall(line)
            with link.makefile("rb") as file:
                answer = file.readline(_LIMIT)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoService(f"no service listens on {path}", hint="start it with `watchkeeper up`") from error
    except PermissionError as error:
        raise errors.Denied(
            f"this user may not speak to the service on {path}", hint="run this as the user who runs `watchkeeper up`"
        ) from error
    except OSError as error:
        raise errors.Unavailable(f"the service on {path} does not answer: {error}", hint="look at its log") from error
    return _unpack(answer)


async def ask_async(path: Path, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """`ask`, off the event loop."""
    return await asyncio.to_thread(ask, path, name, arguments)


def _unpack(answer: bytes) -> Any:
    if not answer.endswith(b"\n"):
        raise errors.Unavailable("the service closed the connection before it answered", hint="look at its log")
    reply = msgspec.json.decode(answer)
    if "ok" in reply:
        return reply["ok"]
    raise error_from(reply["error"])


def error_from(said: Mapping[str, str]) -> errors.WatchkeeperError:
    """The error that another process of ours told, by its code."""
    return _CODES.get(said["code"], errors.WatchkeeperError)(said["reason"], hint=said["hint"])


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]) -> None:
    try:
        while line := await reader.readline():
            writer.write(msgspec.json.encode(await _answer(line, handlers), enc_hook=str) + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError, asyncio.CancelledError):
        pass  # the peer went away, or sent a line beyond the limit: nothing to answer
    finally:
        writer.close()


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(line)
        handler = handlers.get(request["do"])
        if handler is None:
            raise errors.NotFound(f"this service cannot {request['do']!r}")
        return {"ok": await handler(request.get("with") or {})}
    except errors.WatchkeeperError as error:
        return {"error": {"code": error.code, "reason": error.reason, "hint": error.hint}}
    except Exception:  # noqa: BLE001 — the outermost loop of this connection: an unknown failure is an error, never silence
        _log.exception("a control request failed")
        return {"error": {"code": "error", "reason": "the service failed; its log has the trace", "hint": ""}}
