"""The door: entering by a one-time link, leaving, and what those see who are not in.

The link carries its token behind `#`, which browsers send nowhere: not to us, not to a proxy's log, not as a referrer.
Looking at the page (or prefetching it) spends nothing; only the button does.
"""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.status_codes import HTTP_303_SEE_OTHER

from watchkeeper.web.guard import cookie_name
from watchkeeper.web.operators import SESSION_LIFE, Operators
from watchkeeper.web.settings import ConsoleSettings
from watchkeeper.web.show import PageRequest, console_of

_LIMIT = 4_096


@get("/enter", sync_to_thread=True)
def door(request: PageRequest) -> Response[str]:
    """The button."""
    return console_of(request).page(request, "enter", "Enter", failure="", hint="")


@post("/enter", request_max_body_size=_LIMIT)
async def enter(request: PageRequest) -> Response[str]:
    """Spend the link."""
    console = console_of(request)
    form = await request.form()
    token = str(form.get("token", ""))[:_LIMIT].strip()
    operators: Operators = request.app.state["operators"]
    secret, _ = await asyncio.to_thread(operators.redeem, token)
    return _to("/", console.settings, secret, SESSION_LIFE // 1_000_000)


@post("/leave", request_max_body_size=_LIMIT)
async def leave(request: PageRequest) -> Response[str]:
    """End the session."""
    console = console_of(request)
    operators: Operators = request.app.state["operators"]
    secret = request.cookies.get(cookie_name(console.settings), "")
    await asyncio.to_thread(operators.leave, secret)
    return _to("/enter", console.settings, "", 0)


def _to(path: str, settings: ConsoleSettings, secret: str, seconds: int) -> Response[str]:
    cookie = Cookie(
        key=cookie_name(settings),
        value=secret,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="strict",
        secure=settings.tls,
    )
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": path}, cookies=[cookie])
