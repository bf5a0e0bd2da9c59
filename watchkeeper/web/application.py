"""The console as one ASGI application, and how it is served. Receives everything it shows; opens nothing itself."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotFoundException

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound, Unavailable, Untrusted, WatchkeeperError
from watchkeeper.events.query import BadQuery
from watchkeeper.web.attention import Attention
from watchkeeper.web.guard import API, HOOKS, Doors, Guard, cookie_name, set_headers
from watchkeeper.web.operators import TooMany
from watchkeeper.web.pages import (
    alerts,
    api,
    approvals,
    casefile,
    coverage,
    door,
    event,
    events,
    gates,
    hooks,
    hunting,
    hunts,
    incidents,
    intelligence,
    journal,
    oncall,
    overview,
    rules,
    runs,
    servers,
    traffic,
)
from watchkeeper.web.pages.door import forgotten
from watchkeeper.web.patience import Patience
from watchkeeper.web.ports import Services
from watchkeeper.web.settings import ConsoleSettings
from watchkeeper.web.show import STATIC, Console, PageRequest, console_of
from watchkeeper.web.tiles import TileApp

_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (TooMany, 429),
    (Untrusted, 401),
    (Denied, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Invalid, 400),
    (Unavailable, 503),
)


def build(services: Services, doors: Doors, settings: ConsoleSettings, clock: Clock | None = None) -> Litestar:
    """The application."""
    console = Console(services, settings, clock or SystemClock())
    return Litestar(
        route_handlers=[
            overview.overview,
            traffic.traffic,
            events.events,
            events.export,
            event.one_event,
            event.proof,
            event.conversation,
            events.list_events,
            events.count_events,
            events.show_event,
            events.show_conversation,
            servers.servers,
            servers.definition,
            incidents.incidents,
            casefile.one_incident,
            casefile.act,
            casefile.export,
            intelligence.intelligence,
            journal.journal,
            alerts.alerts,
            alerts.one_alert,
            alerts.assess,
            alerts.draft,
            alerts.add_exception,
            rules.rules,
            rules.one_rule,
            hunts.hunts,
            hunts.one_hunt,
            hunting.blank,
            hunting.save,
            hunting.schedule,
            hunting.unschedule,
            hunting.escalate,
            hunting.remove,
            hunting.draft,
            coverage.coverage,
            approvals.approvals,
            approvals.one_approval,
            approvals.decide,
            gates.one_gate,
            gates.say,
            runs.runs,
            runs.one_run,
            runs.cancel,
            runs.playbooks,
            runs.one_playbook,
            runs.have_run,
            oncall.oncall,
            oncall.act,
            api.list_approvals,
            api.show_approval,
            api.decide_approval,
            hooks.hear,
            hooks.reply,
            door.door,
            door.enter,
            door.leave,
            healthz,
            asset,
            nowhere,
        ],
        middleware=[Guard(settings, doors), Attention()],
        before_send=[set_headers],
        exception_handlers={HTTPException: _http_error, WatchkeeperError: _our_error, Exception: _unknown_error},
        openapi_config=None,
        logging_config=None,
        debug=False,
        request_max_body_size=64 * 1024,
        state=State({"console": console, "operators": doors.sessions}),
    )


async def serve(app: Litestar, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises `Conflict` when the port is taken."""
    with bind(host, port) as listener:
        await serve_on(app, listener, stop)


async def serve_on(app: Litestar | TileApp, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve on a socket that is bound already."""
    config = uvicorn.Config(
        app,
        http=Patience,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        limit_concurrency=200,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    waiting.cancel()
    await task


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Conflict` when the port is taken, `Unavailable` when the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise Conflict(
                f"the console cannot listen on {host}:{port}: {error.strerror}",
                hint="stop what uses that port, or set `[console] port` to another",
            ) from error
        raise Unavailable(f"the console cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """Signals belong to the process that runs us, not to uvicorn."""

    def install_signal_handlers(self) -> None:
        return None

    def capture_signals(self) -> Any:
        return _NoSignals()


class _NoSignals:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@get("/healthz", media_type=MediaType.TEXT)
async def healthz() -> str:
    """That this process answers; nothing else."""
    return "ok\n"


@get("/static/{name:str}", sync_to_thread=False)
def asset(request: PageRequest) -> Response[bytes]:
    """One of a few files, held in memory: there is no path to traverse."""
    name = request.path_params["name"]
    if name not in STATIC:
        raise NotFoundException("no such file")
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(console_of(request).assets[name], media_type=STATIC[name], headers=headers)


@get("/{rest:path}", sync_to_thread=False)
def nowhere() -> None:
    """So that an unknown address passes the guard too, and tells a stranger nothing."""
    raise NotFound("there is no page here", hint="start again from the overview")


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    if request.url.path.startswith((API, HOOKS)):
        told = error.detail if error.status_code < 500 else "the console failed; its log has the trace"
        return problem(error.status_code, "http", told, headers=error.headers)
    console = console_of(request)
    if error.status_code == 401:
        response = console.plain_page(request, "enter", "Enter", 401, failure="")
        if (stale := cookie_name(console.settings)) in request.cookies:
            response.set_cookie(forgotten(stale, console.settings))
        return response
    reason = error.detail if error.status_code < 500 else "the console failed; its log has the trace"
    return console.plain_page(request, "error", "Error", error.status_code, reason=reason, hint="")


def _our_error(request: Request[Any, Any, Any], error: WatchkeeperError) -> Response[str]:
    status = status_of(error)
    if request.url.path.startswith((API, HOOKS)):
        place = (error.at, error.length) if isinstance(error, BadQuery) else None
        return problem(status, error.code, error.reason, error.hint, place=place)
    console = console_of(request)
    if isinstance(error, (TooMany, Denied)) and request.scope.get("user") is None:
        return console.plain_page(request, "enter", "Enter", status, failure=error.reason)
    return console.plain_page(request, "error", "Error", status, reason=error.reason, hint=error.hint)


def status_of(error: WatchkeeperError) -> int:
    """The status that says the same."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def problem(
    status: int,
    code: str,
    reason: str,
    hint: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    place: tuple[int, int] | None = None,
) -> Response[str]:
    """An error for programs (RFC 9457); `place` is where in the query, and how long."""
    told: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": reason, "code": code}
    told |= {"at": place[0], "length": place[1]} if place is not None else {}
    body = msgspec.json.encode(told | ({"hint": hint} if hint else {})).decode()
    return Response(body, status_code=status, media_type="application/problem+json", headers=dict(headers or {}))


def _unknown_error(_: Request[Any, Any, Any], error: Exception) -> Response[str]:
    _log.error("a page failed", exc_info=error)
    return Response("the console failed; its log has the trace\n", status_code=500, media_type=MediaType.TEXT)
