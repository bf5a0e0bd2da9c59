"""`[fetch]`: which places beside the public internet may be asked, and how long and how much."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.allowance import parse_allowance
from watchkeeper.core.fetch.model import FetchRefused


class FetchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[fetch]`."""

    allow_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts on private networks that may be asked, as HOST or HOST:PORT; http://HOST:PORT also "
            "allows it without TLS, which on this machine itself needs no such word."
        ),
    ] = ()
    ca_file: Annotated[
        str, Meta(description="File of further certificate authorities (PEM), beside those of this host.")
    ] = ""
    seconds: Annotated[float, Meta(description="A fetch, redirects included, takes no longer than.", gt=0)] = 10.0
    max_bytes: Annotated[int, Meta(description="Largest answer.", ge=1024)] = 262_144


def check_fetch(settings: FetchSettings) -> None:
    """Raises `Misconfigured` when the section cannot work."""
    for text in settings.allow_hosts:
        try:
            parse_allowance(text)
        except FetchRefused as error:
            raise Misconfigured(
                f"fetch.allow_hosts: {text!r} is no host: {error.reason}", hint='write "idp.internal:8443"'
            ) from error
