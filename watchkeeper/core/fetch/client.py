"""Asking a URL that may be an attacker's choice. Obligations, and what each one stops:

1. The URL is read in one way (`target`).
2. Only https; plain http for what the settings allow (a token or key that anybody on the way can change).
3. The name is resolved once, every address is judged, and the connection goes to the address that was judged (DNS
   rebinding).
4. A redirect is another URL: everything is judged again, few are followed, none from https to http, and none by a
   request that carries something.
5. The whole takes seconds, the answer has a bound, a compressed one is refused (exhaustion).
6. An answer of another media type is not read (an HTML page, or a private service's banner, in an error message), also
   where its status is all that counts (`ANY`).
7. Certificates are verified; no proxy is taken from the environment; no cookie or credential goes along but the
   caller's own.
8. What the barrier stands before is not asked, and its name not looked up (a host that was cut off while this runs).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urljoin

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch import _wire
from watchkeeper.core.fetch.allowance import Allowances
from watchkeeper.core.fetch.model import ANY, JSON, Fetched, FetchFailed, FetchRefused
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.fetch.target import Target, parse_target
from watchkeeper.core.tls import host_trust

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Name and port to addresses."""
Barrier = Callable[[Sequence[str]], Awaitable[None]]
"""Told a name before it is looked up, then its addresses before any is connected to. Raises `FetchRefused` for one that
is cut off, and `FetchFailed` when that cannot be told."""

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_ADDRESSES = 4


async def system_resolve(host: str, port: int) -> list[str]:
    """What this host's resolver says, in its order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Fetcher:
    """Asks on behalf of one process; with `tls`, as its certificate says and trusting its authorities alone. Without a
    `barrier`, only places that the operator chose by hand or in the settings should be asked.

    Raises `Misconfigured` when the authorities' file cannot be read.
    """

    def __init__(
        self,
        settings: FetchSettings | None = None,
        *,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
        barrier: Barrier | None = None,
    ) -> None:
        self._settings = settings or FetchSettings()
        self._allowances = Allowances(self._settings.allow_hosts)
        self._resolve = resolve
        self._barrier = barrier
        self._tls = tls or _tls(self._settings.ca_file)

    def check(self, url: str) -> Target:
        """What can be said of a URL without asking anybody. Raises `FetchRefused`."""
        target = parse_target(url)
        self._allowances.check_target(target)
        if target.literal:
            self._allowances.check_addresses(target, [target.literal])
        return target

    async def get(self, url: str, *, accept: Sequence[str] = JSON) -> Fetched:
        """The document at a URL. Raises `FetchRefused`, `FetchFailed`; an HTTP error is an answer."""
        async with _within(self._settings.seconds):
            for _ in range(MAX_REDIRECTS + 1):
                answer = await self._ask("GET", url, (("Accept", ", ".join(accept)),), b"", accept)
                if answer.status not in _REDIRECTS:
                    return answer
                url = _next(url, answer)
        raise FetchRefused(f"{parse_target(url).shown} is one redirect too many")

    async def post_form(
        self,
        url: str,
        fields: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        headers: Sequence[tuple[str, str]] = (),
        accept: Sequence[str] = JSON,
    ) -> Fetched:
        """Send a form, as to a token endpoint; a redirect is refused. Raises `FetchRefused`, `FetchFailed`."""
        return await self.post(url, urlencode(fields).encode(), "application/x-www-form-urlencoded", headers, accept)

    async def post(
        self,
        url: str,
        body: bytes,
        media_type: str,
        headers: Sequence[tuple[str, str]] = (),
        accept: Sequence[str] = JSON,
    ) -> Fetched:
        """Send a body; a redirect is refused. Raises `FetchRefused`, `FetchFailed`."""
        sent = (("Accept", ", ".join(accept)), ("Content-Type", media_type), *headers)
        async with _within(self._settings.seconds):
            answer = await self._ask("POST", url, sent, body, accept)
        if answer.status in _REDIRECTS:
            raise FetchRefused(f"{parse_target(url).shown} redirects a request that carries something")
        return answer

    async def request(
        self,
        verb: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        accept: Sequence[str] = JSON,
    ) -> Fetched:
        """One request with headers of the caller's own; a redirect is refused. Raises `FetchRefused`, `FetchFailed`."""
        async with _within(self._settings.seconds):
            answer = await self._ask(verb, url, tuple(headers), body, accept)
        if answer.status in _REDIRECTS:
            raise FetchRefused(f"{parse_target(url).shown} redirects a request that carries something")
        return answer

    async def _ask(self, verb: str, url: str, headers: _wire.Pairs, body: bytes, accept: Sequence[str]) -> Fetched:
        target = self.check(url)
        await self._pass([target.host])
        addresses = await self._addresses(target)
        if not target.literal:
            await self._pass(addresses)
        request = _wire.render(target, verb, headers, body)
        tls = self._tls if target.scheme == "https" else None
        got = await _wire.exchange(target, addresses, tls, request, self._settings.max_bytes)
        return _read(url, target, got, accept)

    async def _pass(self, places: Sequence[str]) -> None:
        if self._barrier is not None:
            await self._barrier(places)

    async def _addresses(self, target: Target) -> list[str]:
        if target.literal:
            return [target.literal]
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as error:
            raise FetchFailed(f"the name of {target.shown} cannot be resolved") from error
        if not found:
            raise FetchFailed(f"the name of {target.shown} cannot be resolved")
        return self._allowances.check_addresses(target, found)[:_MAX_ADDRESSES]


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise FetchFailed(f"no answer came within {seconds:g} seconds") from error


def _next(url: str, answer: Fetched) -> str:
    shown = parse_target(url).shown
    location = answer.headers.get("location", "")
    if not location:
        raise FetchRefused(f"{shown} redirects nowhere")
    following = urljoin(url, location)
    if url.lower().startswith("https:") and not following.lower().startswith("https:"):
        raise FetchRefused(f"{shown} redirects away from https")
    return following


def _read(url: str, target: Target, got: _wire.Answer, accept: Sequence[str]) -> Fetched:
    media = got.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_readable = media in accept or (
        JSON[0] in accept and media.startswith("application/") and media.endswith("+json")
    )
    if not is_readable and ANY not in accept and 200 <= got.status < 300 and got.body:
        raise FetchRefused(f"{target.shown} answers with another media type than {', '.join(accept)}")
    return Fetched(got.status, got.headers, bytes(got.body) if is_readable else b"", url)


def _tls(ca_file: str) -> ssl.SSLContext:
    context = host_trust()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"fetch.ca_file: {ca_file} holds no certificates that can be read", hint="name a file in PEM"
            ) from error
    return context
