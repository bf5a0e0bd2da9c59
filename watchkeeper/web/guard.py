"""The console's perimeter: which requests are looked at, by whom, and the headers of every answer.

Obligations, and the attack each one stops:
1. The Host header names us: DNS rebinding.
2. A request that changes something comes from our own pages (Origin, Sec-Fetch-Site): cross-site request forgery. The
   API looks at no cookie, so no page can send anything to it in an operator's name.
3. Every page but the door and the health check needs an operator's session, the API an operator's token; and the role
   of either has to permit it. What comes for `/hooks/` is signed, which its page looks at.
4. Every answer, errors too, carries the strict policy: what slipped through escaping still cannot run or leave.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, NotAuthorizedException, PermissionDeniedException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from watchkeeper.operators.model import Acting
from watchkeeper.operators.ports import Credentials, Rules
from watchkeeper.policy.persons import May
from watchkeeper.web.operators import Operators
from watchkeeper.web.settings import ConsoleSettings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
}
_OPEN = ("/enter", "/healthz", "/static/")
API = "/api/"
HOOKS = "/hooks/"
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Doors:
    """Who is asked who somebody is, and what they may."""

    sessions: Operators
    tokens: Credentials
    rules: Rules


async def set_headers(message: Message, scope: Scope) -> None:
    """Litestar's `before_send`: runs for every answer."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"


class Guard(ASGIMiddleware):
    """Obligations 1 to 3."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: ConsoleSettings, doors: Doors) -> None:
        self.settings = settings
        self.operators = doors.sessions
        self._doors = doors

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request: Request[Any, Any, Any] = Request(scope)
        if not is_our_host(request.headers.get("host", ""), self.settings):
            raise ClientException("this console is not known under that host name")
        if request.url.path.startswith(API):
            scope["user"] = await asyncio.to_thread(self._by_token, request.headers.get("authorization", ""))
            await next_app(scope, receive, send)
            return
        if request.url.path.startswith(HOOKS):  # signed by who sends; no cookie counts
            scope["user"] = None
            await next_app(scope, receive, send)
            return
        if request.method not in _SAFE and not is_same_origin(request):
            raise PermissionDeniedException("that request did not come from a page of this console")
        secret = request.cookies.get(cookie_name(self.settings), "")
        operator = await asyncio.to_thread(self.operators.who, secret) if secret else None
        scope["user"] = operator
        if operator is None and not request.url.path.startswith(_OPEN):
            if secret:
                await asyncio.to_thread(self.operators.refuse_cookie)
            raise NotAuthorizedException("you are not in")
        if operator is not None and not request.url.path.startswith(_OPEN) and not self._may_look(operator.acting):
            raise PermissionDeniedException("your role does not permit this")
        await next_app(scope, receive, send)

    def _may_look(self, acting: Acting) -> bool:
        return self._doors.rules.may(May(acting.actor, acting.role, "view_console", "", acting.scopes)).is_given

    def _by_token(self, authorization: str) -> Acting:
        scheme, _, credential = authorization.partition(" ")
        acting = self._doors.tokens.who(credential.strip()) if scheme.lower() == "bearer" and credential else None
        if acting is None:
            raise NotAuthorizedException("an operator's token is needed", headers={"WWW-Authenticate": "Bearer"})
        return acting


def cookie_name(settings: ConsoleSettings) -> str:
    """Cookies know hosts, not ports: the port keeps two consoles on one host apart."""
    return "__Host-watchkeeper" if settings.tls else f"watchkeeper-{settings.port}"


def is_our_host(host: str, settings: ConsoleSettings) -> bool:
    """Loopback names, the address we listen on, and the names the settings add; never by prefix or suffix."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").rstrip(".").lower()
    if name in {"localhost", settings.host.lower(), *(n.lower() for n in settings.names)}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_same_origin(request: Request[Any, Any, Any]) -> bool:
    """Whether a browser says that one of our own pages sent this.

    Under our `no-referrer` a browser sends `Origin: null` with a form, so `Sec-Fetch-Site` decides. Without that header
    only our own origin will do, and silence will not.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    is_ours = origin in {f"http://{host}", f"https://{host}"}
    if site is None:
        return is_ours
    return site == "same-origin" and (is_ours or origin in {None, "null"})
