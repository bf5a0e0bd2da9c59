"""The door: entering by a one-time link, leaving, and what those see who are not in.

The link carries its token behind `#`, which browsers send nowhere: not to us, not to a proxy's log, not as a referrer.
Looking at the page (or prefetching it) spends nothing; only the button does.
"""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.status_codes import HTTP_303_SEE_OTHER

from watchkeeper.core.clock import SECOND
from watchkeeper.web.guard import cookie_name
from watchkeeper.web.operators import SESSION_LIFE, Operators
from watchkeeper.web.settings import ConsoleSettings
from watchkeeper.web.show import PageRequest, console_of

_LIMIT = 4_096


@get("/enter")
async def door(request: PageRequest) -> Response[str]:
    """The button."""
    return console_of(request).plain_page(request, "enter", "Enter", failure="")


@post("/enter", request_max_body_size=_LIMIT)
async def enter(request: PageRequest) -> Response[str]:
    """Spend the link."""
    console = console_of(request)
    form = await request.form()
    token = str(form.get("token", ""))[:_LIMIT].strip()
    operators: Operators = request.app.state["operators"]
    secret, _ = await asyncio.to_thread(operators.redeem, token)
    cookie = Cookie(
        key=cookie_name(console.settings),
        value=secret,
        max_age=SESSION_LIFE // SECOND,
        path="/",
        httponly=True,
        samesite="strict",
        secure=console.settings.tls,
    )
    return _to("/", cookie)


@post("/leave", request_max_body_size=_LIMIT)
async def leave(request: PageRequest) -> Response[str]:
    """End the session."""
    settings = console_of(request).settings
    operators: Operators = request.app.state["operators"]
    await asyncio.to_thread(operators.leave, request.cookies.get(cookie_name(settings), ""))
    return _to("/enter", forgotten(cookie_name(settings), settings))


def forgotten(name: str, settings: ConsoleSettings) -> Cookie:
    """What makes a browser drop a cookie."""
    return Cookie(key=name, value="", max_age=0, path="/", httponly=True, samesite="strict", secure=settings.tls)


def _to(path: str, cookie: Cookie) -> Response[str]:
    return Response("", status_code=HTTP_303_SEE_OTHER, headers={"Location": path}, cookies=[cookie])
