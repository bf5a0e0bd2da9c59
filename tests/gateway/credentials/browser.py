"""A person's browser: goes where it is sent, on a thread of its own, and tells what it saw."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from watchkeeper.gateway.credentials.signin.login import Invitation


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


class Browser:
    """Follows an invitation to the issuer and back; `tamper` may change the address it is sent back to."""

    def __init__(self, tamper: Callable[[str], str | list[str]] = lambda url: url) -> None:
        self.invitations: list[Invitation] = []
        self.seen: list[tuple[int, dict[str, str], str]] = []
        """Status, headers and text of each page on this machine."""
        self.before: Callable[[Invitation], None] = lambda invitation: None
        self._tamper = tamper
        self._threads: list[threading.Thread] = []

    def __call__(self, invitation: Invitation) -> None:
        self.invitations.append(invitation)
        self.before(invitation)
        thread = threading.Thread(target=self._go, args=(invitation.url,))
        thread.start()
        self._threads.append(thread)

    @property
    def query(self) -> dict[str, str]:
        """What the issuer was asked."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.invitations[-1].url).query).items()}

    def join(self) -> None:
        for thread in self._threads:
            thread.join(10)

    def _go(self, url: str) -> None:
        status, headers, _ = visit(url)
        assert status == 302, status
        back = self._tamper(headers["location"])
        self.seen += [visit(one) for one in ([back] if isinstance(back, str) else back)]


def visit(url: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """One page, redirects not followed."""
    try:
        with build_opener(_Stay).open(Request(url, headers=headers), timeout=10) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode()
