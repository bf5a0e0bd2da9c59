"""`[sinks.NAME]`: where events are sent, which ones, and how much may wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.secrets import is_reference

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
OVER_HTTP = ("otlp", "ocsf_http", "splunk_hec", "elastic")
IN_LINES = ("syslog", "cef")
_SD_ID = re.compile(r"[!#-<>-\\^-~]{1,32}")
"""RFC 5424's SD-NAME: printable ASCII without `=`, `]`, `"` and space."""
_OWN: dict[str, tuple[str, ...]] = {
    "url": OVER_HTTP,
    "headers": OVER_HTTP,
    "token": ("splunk_hec",),
    "acknowledged": ("splunk_hec",),
    "index": ("splunk_hec", "elastic"),
    "format": ("ocsf_http", "file"),
    "signals": ("otlp",),
    "address": IN_LINES,
    "transport": IN_LINES,
    "facility": IN_LINES,
    "message_bytes": IN_LINES,
    "sd_id": ("syslog",),
    "path": ("file",),
    "rotate_bytes": ("file",),
    "keep_files": ("file",),
    "tls_ca": (*OVER_HTTP, *IN_LINES),
    "tls_certificate": (*OVER_HTTP, *IN_LINES),
    "tls_key": (*OVER_HTTP, *IN_LINES),
    "settle_seconds": (*IN_LINES, "splunk_hec"),
}
"""Settings that only some types know."""
_NEEDS = {"url": OVER_HTTP, "token": ("splunk_hec",), "address": IN_LINES, "path": ("file",)}
_Severity = Literal["informational", "low", "medium", "high", "critical"]


class SinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[sinks.NAME]`."""

    type: Annotated[
        Literal["otlp", "ocsf_http", "syslog", "cef", "splunk_hec", "elastic", "file"],
        Meta(description="The receiver: `otlp`, `ocsf_http`, `syslog`, `cef`, `splunk_hec`, `elastic` or `file`."),
    ]
    enabled: Annotated[bool, Meta(description="Whether anything is sent; a disabled sink keeps its place.")] = True
    start: Annotated[
        Literal["now", "beginning"],
        Meta(
            description="Where a new sink begins: with what is recorded from the watch's start on (`now`), or at the "
            "journal's `beginning`."
        ),
    ] = "now"
    url: Annotated[
        str,
        Meta(
            description="Receiver over HTTP (otlp, ocsf_http, splunk_hec, elastic); https, save on this machine itself."
        ),
    ] = ""
    headers: Annotated[
        dict[str, str],
        Meta(description='Headers of each request; values may be references: `{ Authorization = "ApiKey env:KEY" }`.'),
    ] = {}
    token: Annotated[str, Meta(description="Reference to the token of Splunk's HTTP Event Collector.")] = ""
    acknowledged: Annotated[
        bool,
        Meta(description="splunk_hec: wait for the indexers' acknowledgement (the token must have it switched on)."),
    ] = False
    index: Annotated[
        str, Meta(description="Index of splunk_hec (empty: the token's), data stream or index of elastic.")
    ] = ""
    format: Annotated[
        Literal["", "event", "ocsf", "array", "lines"],
        Meta(description="file: `event` (default) or `ocsf`; ocsf_http: `array` (default) or `lines`."),
    ] = ""
    signals: Annotated[tuple[Literal["logs", "traces", "metrics"], ...], Meta(description="What otlp sends.")] = (
        "logs",
        "traces",
        "metrics",
    )
    address: Annotated[str, Meta(description="HOST:PORT of a syslog or cef receiver.")] = ""
    transport: Annotated[
        Literal["tls", "tcp", "udp"], Meta(description="How syslog and cef get there; only `tls` keeps strangers out.")
    ] = "tls"
    facility: Annotated[int, Meta(description="Facility of syslog and cef; 13 is log audit.", ge=0, le=23)] = 13
    message_bytes: Annotated[
        int,
        Meta(description="Longest message of syslog and cef; a longer one is cut, and says so.", ge=480, le=1 << 20),
    ] = 8192
    sd_id: Annotated[
        str,
        Meta(description="SD-ID of syslog's structured data; put your own enterprise number behind the @."),
    ] = "watchkeeper@32473"
    path: Annotated[str, Meta(description="file: where the lines go; its folder must exist.")] = ""
    rotate_bytes: Annotated[
        int, Meta(description="file: at this size it is renamed, compressed and begun anew.", ge=4096)
    ] = 100_000_000
    keep_files: Annotated[int, Meta(description="file: so many compressed ones are kept; 0 keeps all.", ge=0)] = 0
    tls_ca: Annotated[
        str, Meta(description="File of the receiver's certificate authority (PEM); it alone is trusted then.")
    ] = ""
    tls_certificate: Annotated[str, Meta(description="File of the certificate that we show (PEM).")] = ""
    tls_key: Annotated[str, Meta(description="File of its key (PEM).")] = ""
    kinds: Annotated[
        tuple[str, ...],
        Meta(description="Only these kinds of events; `gateway.*` for all that begin so. Empty: every kind."),
    ] = ()
    exclude_kinds: Annotated[tuple[str, ...], Meta(description="Never these kinds, written the same way.")] = ()
    severity: Annotated[
        _Severity,
        Meta(description="Only events of this severity and above: informational, low, medium, high or critical."),
    ] = "informational"
    tenants: Annotated[tuple[str, ...], Meta(description="Only these tenants' events. Empty: all tenants'.")] = ()
    labels: Annotated[tuple[str, ...], Meta(description="Only events with one of these labels. Empty: any.")] = ()
    exclude_labels: Annotated[tuple[str, ...], Meta(description="Never events with one of these labels.")] = ()
    batch_events: Annotated[int, Meta(description="Most events sent at once.", ge=1, le=10_000)] = 1000
    batch_bytes: Annotated[
        int, Meta(description="Most bytes sent at once; a larger event goes alone.", ge=1024, le=64 << 20)
    ] = 1 << 20
    flush_seconds: Annotated[float, Meta(description="Seconds between two looks at a quiet journal.", gt=0, le=60)] = (
        0.5
    )
    timeout_seconds: Annotated[float, Meta(description="A receiver must have answered within.", gt=0, le=300)] = 10.0
    settle_seconds: Annotated[
        float,
        Meta(
            description="syslog and cef: what was written on a connection that dies within is sent again; "
            "splunk_hec: an acknowledgement must come within. 0: 5 and 120 seconds.",
            ge=0,
            le=3600,
        ),
    ] = 0.0
    retry_seconds: Annotated[
        float, Meta(description="Longest wait between two attempts; it doubles from half a second.", ge=0.1, le=3600)
    ] = 60.0
    queue_events: Annotated[
        int, Meta(description="Most records that may wait; older ones are dropped and counted. 0: no bound.", ge=0)
    ] = 10_000_000
    queue_bytes: Annotated[int, Meta(description="The same in bytes of the journal on disk. 0: no bound.", ge=0)] = 0
    queue_hours: Annotated[
        float, Meta(description="Events older than this are dropped and counted, not sent. 0: no bound.", ge=0)
    ] = 0.0
    dead_letters: Annotated[
        int,
        Meta(
            description="So many events that the receiver refuses are put aside; more are dropped.", ge=0, le=1_000_000
        ),
    ] = 10_000


def check_sinks(sinks: Mapping[str, SinkSettings]) -> None:
    """Raises `Misconfigured`, naming the setting, when a section cannot work."""
    for name, sink in sinks.items():
        where = f"sinks.{name}"
        if not NAME.fullmatch(name):
            raise Misconfigured(f"{where}: a sink's name has letters, digits, - and _", hint="rename the section")
        _check_fit(where, sink)
        if sink.url:
            _check_url(where, sink.url)
        if sink.address:
            address_of(f"{where}.address", sink.address)
        if sink.token and not is_reference(sink.token):
            raise Misconfigured(f"{where}.token: a secret is written by reference", hint='write "env:NAME"')
        if not _SD_ID.fullmatch(sink.sd_id):
            raise Misconfigured(f"{where}.sd_id: it is no SD-ID", hint='write "NAME@ENTERPRISE-NUMBER", 32 at most')
        if bool(sink.tls_certificate) != bool(sink.tls_key):
            raise Misconfigured(f"{where}: tls_certificate and tls_key belong together", hint="give both")
    _check_apart(sinks)


def _check_fit(where: str, sink: SinkSettings) -> None:
    defaults = {field.name: field.default for field in msgspec.structs.fields(SinkSettings)}
    defaults |= {"headers": {}}
    for field, types in _OWN.items():
        if sink.type not in types and getattr(sink, field) != defaults[field]:
            raise Misconfigured(
                f"{where}.{field}: a sink of type {sink.type} has no such setting", hint=f"it is for {', '.join(types)}"
            )
    for field, types in _NEEDS.items():
        if sink.type in types and not getattr(sink, field):
            raise Misconfigured(
                f"{where}.{field}: a sink of type {sink.type} needs it", hint="see docs/guides/sinks.md"
            )
    fitting = {"file": ("", "event", "ocsf"), "ocsf_http": ("", "array", "lines")}.get(sink.type)
    if fitting is not None and sink.format not in fitting:
        raise Misconfigured(
            f"{where}.format: {sink.type} does not know {sink.format!r}", hint=f"choose {' or '.join(fitting[1:])}"
        )
    if sink.type == "file" and not PurePath(sink.path).is_absolute():
        raise Misconfigured(f"{where}.path: it must begin with /", hint="services may start in any folder")


def _check_url(where: str, url: str) -> None:
    try:
        target = parse_target(url)
    except FetchRefused as error:
        raise Misconfigured(f"{where}.url: {error.reason}", hint="write it as https://HOST/PATH") from error
    if "?" in target.path:
        raise Misconfigured(f"{where}.url: a query may hold what nobody should read", hint="use headers or token")


def _check_apart(sinks: Mapping[str, SinkSettings]) -> None:
    """Two sinks that write the same file would tear each other's lines."""
    paths: dict[str, str] = {}
    for name, sink in sinks.items():
        if sink.path and paths.setdefault(sink.path, name) != name:
            raise Misconfigured(
                f"sinks.{name}.path: {paths[sink.path]} writes that file already", hint="name another file"
            )


def address_of(where: str, text: str) -> tuple[str, int]:
    """Host and port. Raises `Misconfigured`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise Misconfigured(f"{where}: {text!a} is no address", hint='write "siem.example.org:6514"')
    return host, int(port)
