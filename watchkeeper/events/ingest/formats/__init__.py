"""The formats, a module each, and which reader belongs to which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from watchkeeper.core.errors import Invalid
from watchkeeper.events.ingest.formats.agentgateway import AgentGateway
from watchkeeper.events.ingest.formats.contextforge import ContextForge
from watchkeeper.events.ingest.formats.docker import DockerGateway
from watchkeeper.events.ingest.formats.mapping import read_mapping
from watchkeeper.events.ingest.formats.ocsf import OcsfLines
from watchkeeper.events.ingest.formats.otlp import OtlpLines
from watchkeeper.events.ingest.model import Reader
from watchkeeper.events.ingest.settings import SourceSettings

ABOUT = {
    "agentgateway": "agentgateway's access log, as text or JSON",
    "contextforge": "ContextForge's JSON log; its calls come by OTLP",
    "docker": "the log of `docker mcp gateway run --log-calls`",
    "otlp": "spans and log records: OTLP/HTTP, or a collector's files in JSON",
    "ocsf": "OCSF 1.x events, one a line or an array",
    "jsonl": "JSON lines of anything, read as a mapping file says",
}
"""Format → what it is."""


def reader_of(source: SourceSettings) -> Reader:
    """A reader for one stream of the source. Raises `Invalid` for a mapping that is missing or wrong."""
    if source.format == "jsonl":
        if not source.mapping:
            raise Invalid("jsonl needs a mapping file", hint="see docs/guides/ingest.md; name it with --mapping")
        return read_mapping(Path(source.mapping))
    if source.mapping:
        raise Invalid(f"{source.format} takes no mapping file", hint="leave it out, or use jsonl")
    readers: dict[str, Callable[[], Reader]] = {
        "agentgateway": AgentGateway,
        "contextforge": ContextForge,
        "docker": DockerGateway,
        "ocsf": OcsfLines,
        "otlp": OtlpLines,
    }
    return readers[source.format]()
