"""The `[ingest]` section."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMATS = ("otlp", "ocsf", "jsonl", "agentgateway", "contextforge", "docker")
Format = Literal["otlp", "ocsf", "jsonl", "agentgateway", "contextforge", "docker"]


class SourceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another system whose records are taken in."""

    format: Annotated[Format, Meta(description=f"What it writes: one of {', '.join(FORMATS)}.")]
    path: Annotated[
        str, Meta(description="A file that it appends to; followed through rotation. Empty: it sends over HTTP.")
    ] = ""
    mapping: Annotated[str, Meta(description="For `jsonl`: the mapping file that says what its members mean.")] = ""
    token: Annotated[
        str,
        Meta(
            description="For what comes over HTTP: the bearer token that names this source, by reference "
            "(`env:NAME`, `file:PATH`)."
        ),
    ] = ""
    tenant: Annotated[str, Meta(description="Whose events they are.", min_length=1)] = "default"
    server: Annotated[str, Meta(description="The server's name where a record does not say one.")] = ""


class IngestSettings(msgspec.Struct, frozen=True):
    """Facts from elsewhere."""

    listen: Annotated[
        str,
        Meta(
            description='Where OTLP/HTTP, OCSF and JSON lines are taken: `"127.0.0.1:4318"`. Empty: nowhere. Beyond '
            "loopback, put TLS in front."
        ),
    ] = ""
    sources: Annotated[
        dict[str, SourceSettings],
        Meta(description='Other systems, by name: `agents = { format = "agentgateway", path = "/var/log/agw.log" }`.'),
    ] = {}
    largest_kb: Annotated[
        int, Meta(description="KB of one request, unpacked; a longer one is refused.", ge=16, le=65_536)
    ] = 8192
    line_kb: Annotated[
        int, Meta(description="KB of one line; a longer one is counted as refused and passed over.", ge=1, le=16_384)
    ] = 1024
    events_per_second: Annotated[
        int,
        Meta(description="Most events of one source in a second; beyond, it is told to wait.", ge=1, le=1_000_000),
    ] = 10_000
