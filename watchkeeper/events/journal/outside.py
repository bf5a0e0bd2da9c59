"""What of `[journal]` is about places outside this host: tiles for verifiers, copies of checkpoints. Only settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured


class TileSettings(msgspec.Struct, frozen=True):
    """`[journal.tiles]`."""

    listen: Annotated[
        str,
        Meta(
            description="HOST:PORT on which the console serves the logs' tiles to whoever asks, for verifiers outside; "
            "empty serves none. They disclose how many records there are and when they came, never what is in one."
        ),
    ] = ""


class AnchorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[journal.anchors.NAME]`: one place that gets a copy of each checkpoint; its kind follows from what is given."""

    folder: Annotated[
        str, Meta(description="A folder that is there: another disk, or a mount of another machine's.")
    ] = ""
    bucket: Annotated[str, Meta(description="A bucket of an object store that speaks S3.")] = ""
    prefix: Annotated[str, Meta(description="Where in the bucket; one for each data folder.")] = ""
    endpoint: Annotated[str, Meta(description="Address of the object store; empty for AWS's in that region.")] = ""
    region: Annotated[str, Meta(description="Its region.")] = "us-east-1"
    access_key: Annotated[str, Meta(description="Access key that may put, list and get, by reference.")] = ""
    secret_key: Annotated[str, Meta(description="Its secret, by reference: `env:NAME` or `file:PATH`.")] = ""
    url: Annotated[str, Meta(description="A receiver that takes copies by POST and gives them back by GET.")] = ""
    secret: Annotated[
        str, Meta(description="Secret of the signatures to the receiver, by reference; `whsec_…` as all webhooks have.")
    ] = ""
    every_seconds: Annotated[
        float, Meta(description="A log that grows is copied at most this often, and when the watch ends.", ge=1)
    ] = 300.0
    compare_hours: Annotated[
        float, Meta(description="All copies are compared with the logs at the start, and this often.", gt=0)
    ] = 24.0


def check_anchors(anchors: Mapping[str, AnchorSettings]) -> None:
    """Raises `Misconfigured` when a place is of no kind, or of two."""
    for name, anchor in anchors.items():
        where = f"journal.anchors.{name}"
        if [bool(anchor.folder), bool(anchor.bucket), bool(anchor.url)].count(True) != 1:
            raise Misconfigured(f"{where}: give one of folder, bucket and url", hint='such as folder = "/mnt/other"')
        if anchor.folder and not anchor.folder.startswith("/"):
            raise Misconfigured(f"{where}.folder: {anchor.folder!r} is no full path", hint='write it from "/" on')
        if anchor.bucket and not (anchor.access_key and anchor.secret_key):
            raise Misconfigured(f"{where}: a bucket needs access_key and secret_key", hint='write "env:NAME"')
        if anchor.url and not anchor.secret:
            raise Misconfigured(f"{where}: a receiver needs a secret", hint='write "env:NAME"')


def address_of(listen: str) -> tuple[str, int] | None:
    """Host and port of `[journal.tiles] listen`; `None` when it is empty. Raises `Misconfigured`."""
    if not listen:
        return None
    host, colon, port = listen.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(
            f"journal.tiles.listen: {listen!r} is no HOST:PORT", hint='for example "127.0.0.1:7320", or "[::1]:7320"'
        )
    return host, int(port)
