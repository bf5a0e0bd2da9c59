"""What a fetch brings back, and the two ways in which it does not. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Denied, Unavailable

ANY = "*/*"
"""Among the types that are accepted: an answer of any other is an answer too, but it is not read."""
WORDS = ("application/json", "text/plain", "text/html", ANY)
"""What a receiver may answer whose status is what counts: its words are for people, if it has any."""
JSON = ("application/json",)
"""Media types of an ordinary answer; `application/…+json` counts as it."""


class FetchRefused(Denied):
    """The URL, its address, or what came from there is not acceptable; asking again changes nothing."""

    code = "fetch_refused"


class FetchFailed(Unavailable):
    """The host could not be reached, broke off, or took too long."""

    code = "fetch_failed"


class Fetched(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of a doubled header the last one."""
    body: bytes
    """Empty when an answer that is no success came as something else than the caller can read."""
    url: str
    """Where it came from, redirects followed."""
