"""The gateway's section and the servers behind it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import is_reference
from watchkeeper.gateway.capture.settings import OwnCaptureSettings, check_capture
from watchkeeper.registry.settings import OwnPinSettings, check_pins

OAUTH = ("client_credentials", "token_exchange", "user_grant")
CREDENTIALS = ("none", "static", *OAUTH, "pass_through")
"""What `credential` may say."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[gateway]`."""

    host: Annotated[str, Meta(description="Address to listen on; loopback unless agents live on other hosts.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(description="First port; servers without a port of their own get this one and the next.", ge=0)
    ] = 7310
    path: Annotated[str, Meta(description="Path of the MCP endpoint on each port.")] = "/mcp"
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Further values of Host (name or name:port) that are accepted.")
    ] = ()
    allowed_origins: Annotated[tuple[str, ...], Meta(description="Values of Origin that browsers may send.")] = ()
    max_header_bytes: Annotated[int, Meta(description="Largest head of a request.", ge=1024)] = 32_768
    max_body_bytes: Annotated[int, Meta(description="Largest message of a client.", ge=1024)] = 4_194_304
    max_answer_bytes: Annotated[int, Meta(description="Largest answer or event of a server.", ge=1024)] = 16_777_216
    max_connections: Annotated[int, Meta(description="Clients connected at once, for each server.", ge=1)] = 1024
    idle_seconds: Annotated[float, Meta(description="A client connection without a request is closed after.", gt=0)] = (
        75.0
    )
    header_seconds: Annotated[float, Meta(description="A request's head must arrive within.", gt=0)] = 10.0
    body_seconds: Annotated[float, Meta(description="A request's body must arrive within.", gt=0)] = 30.0
    write_seconds: Annotated[
        float, Meta(description="A client that does not read its answer is cut off after.", gt=0)
    ] = 30.0
    connect_seconds: Annotated[float, Meta(description="A server must accept a connection within.", gt=0)] = 5.0
    answer_seconds: Annotated[float, Meta(description="A server must begin its answer within.", gt=0)] = 120.0
    stream_idle_seconds: Annotated[
        float, Meta(description="A call's event stream may be silent for, comments counted as sound.", gt=0)
    ] = 300.0
    ceiling_seconds: Annotated[
        float, Meta(description="No call takes longer than this, whatever progress it reports.", gt=0)
    ] = 3600.0
    keepalive_seconds: Annotated[
        float, Meta(description="An idle connection to a server is kept for; less than the server keeps it.", gt=0)
    ] = 4.0
    drain_seconds: Annotated[float, Meta(description="On shutdown calls under way may finish within.", ge=0)] = 10.0
    workers: Annotated[
        int, Meta(description="Processes that share the ports; more than one on Linux only.", ge=1, le=64)
    ] = 1
    breaker_failures: Annotated[
        int,
        Meta(description="After so many failures in a row a server over HTTP is given a rest; 0 for never.", ge=0),
    ] = 5
    breaker_seconds: Annotated[float, Meta(description="The longest such rest.", gt=0)] = 30.0
    max_sessions: Annotated[int, Meta(description="Sessions of the older era remembered.", ge=1)] = 10_000
    allowed_commands: Annotated[
        tuple[str, ...],
        Meta(description="Programs, by full path, that may be started as servers; empty for those of the settings."),
    ] = ()
    tls_certificate: Annotated[
        str, Meta(description="File with our ports' certificate chain (PEM); empty serves without TLS.")
    ] = ""
    tls_key: Annotated[str, Meta(description="File with its key (PEM, not encrypted).")] = ""
    tls_client_ca: Annotated[str, Meta(description="File with the authorities of clients' certificates (PEM).")] = ""
    client_certificates: Annotated[
        str, Meta(description="Whether clients show certificates: `off`, `optional`, or `required`.")
    ] = "off"
    certificate_clients: Annotated[
        dict[str, str],
        Meta(
            description="Whom a client's certificate stands for, where it brings no token: its name (`uri:...`, "
            "`dns:...` or `subject:CN=...`) to a client's, `NAME` or `TENANT:NAME`, of `watchkeeper clients list`."
        ),
    ] = {}


class OAuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[servers.NAME.oauth]`: how we get tokens for this server, when its `credential` is one of OAuth's."""

    issuer: Annotated[
        str, Meta(description="Authorization server that issues the tokens, exactly as it names itself.")
    ] = ""
    client_id: Annotated[
        str, Meta(description="Our client id there; an https URL is a client id metadata document.")
    ] = ""
    client_secret: Annotated[str, Meta(description="Our secret there, by reference: `env:NAME` or `file:PATH`.")] = ""
    client_key: Annotated[
        str,
        Meta(description="In place of a secret: private key (PEM) for signed assertions, by reference: `file:PATH`."),
    ] = ""
    client_key_id: Annotated[str, Meta(description="The key's `kid`, as the issuer knows it.")] = ""
    scopes: Annotated[tuple[str, ...], Meta(description="Scopes to ask for; no more than the agents need.")] = ()
    resource: Annotated[str, Meta(description="What the tokens are for (RFC 8707); empty for the server's url.")] = ""
    audience: Annotated[
        str, Meta(description="`audience` of the requests, where the authorization server wants one beside `resource`.")
    ] = ""
    redirect_port: Annotated[
        int, Meta(description="Port on this machine where a person's browser comes back to.", ge=1, le=65535)
    ] = 7399
    plain_http: Annotated[
        bool, Meta(description="Send tokens to the server without TLS, on a network of one's own.")
    ] = False


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[servers.NAME]`: one MCP server, reached at `url` or started with `command`."""

    url: Annotated[str, Meta(description="Address of a server over HTTP, with its path.")] = ""
    transport: Annotated[
        str,
        Meta(description="How the server at `url` speaks: `streamable`, or `sse`, the HTTP+SSE of 2024-11-05."),
    ] = "streamable"
    command: Annotated[
        tuple[str, ...], Meta(description="Program and arguments of a server over stdio; no shell sees them.")
    ] = ()
    env: Annotated[
        dict[str, str],
        Meta(
            description="Variables the started server gets beside PATH and HOME; `env:NAME` and `file:PATH` are read."
        ),
    ] = {}
    cwd: Annotated[
        str, Meta(description="Folder the started server runs in; empty for a private one that is removed afterwards.")
    ] = ""
    headers: Annotated[
        dict[str, str],
        Meta(
            description="Headers added to each request to the server; a value may name a secret: `env:NAME`, "
            "`file:PATH`, `Bearer env:NAME`."
        ),
    ] = {}
    credential: Annotated[
        str,
        Meta(
            description="What the server gets instead of the client's own credential: `none`, `static` (`headers`), "
            "`client_credentials`, `token_exchange`, `user_grant`; or `pass_through`, the client's own."
        ),
    ] = "none"
    oauth: Annotated[OAuthSettings, Meta(description="How tokens for this server are got.")] = OAuthSettings()
    sandbox: Annotated[
        str, Meta(description="`auto`: the best sandbox the host has; `require`: no start without one; `off`: none.")
    ] = "auto"
    read: Annotated[
        tuple[str, ...], Meta(description="Full paths the started server may read, beside programs and libraries.")
    ] = ()
    write: Annotated[
        tuple[str, ...], Meta(description="Full paths the started server may read and change, beside its cwd.")
    ] = ()
    network: Annotated[bool, Meta(description="Whether the started server may use the network.")] = True
    port: Annotated[int, Meta(description="Port of ours for this server; 0 takes the next free one.", ge=0)] = 0
    shadow: Annotated[bool, Meta(description="Stop nothing; record what would have been stopped.")] = False
    criticality: Annotated[
        str,
        Meta(
            description="How much depends on the server: `low`, `normal`, `high` or `critical`. Alerts about one that "
            "is `high` or `critical` are one level more severe, about a `low` one a level less."
        ),
    ] = "normal"
    durability: Annotated[str, Meta(description="`batched`, or `strict`: answers wait for their event on disk.")] = (
        "batched"
    )
    on_journal_failure: Annotated[
        str,
        Meta(
            description="When events cannot be recorded, on a full disk say: `stop` refuses every call; `pass` lets "
            "allowed ones through, counts them, and says so until the journal has the count. Denials never pass."
        ),
    ] = "stop"
    max_connections: Annotated[
        int,
        Meta(description="Connections to it over HTTP, idle ones and streams counted; 0 for any number.", ge=0),
    ] = 0
    max_concurrent: Annotated[
        int, Meta(description="Calls under way to it at once, streams that never end apart; 0 for any number.", ge=0)
    ] = 0
    max_waiting: Annotated[int, Meta(description="Calls that wait for their turn at either.", ge=0)] = 64
    wait_seconds: Annotated[
        float, Meta(description="A call whose turn does not come within is answered 503.", gt=0)
    ] = 5.0
    connect_seconds: Annotated[
        float, Meta(description="`gateway.connect_seconds` for this server; 0 for the gateway's.", ge=0)
    ] = 0.0
    answer_seconds: Annotated[
        float, Meta(description="`gateway.answer_seconds` for this server; 0 for the gateway's.", ge=0)
    ] = 0.0
    stream_idle_seconds: Annotated[
        float, Meta(description="`gateway.stream_idle_seconds` for this server; 0 for the gateway's.", ge=0)
    ] = 0.0
    ceiling_seconds: Annotated[
        float, Meta(description="`gateway.ceiling_seconds` for this server; 0 for the gateway's.", ge=0)
    ] = 0.0
    eras: Annotated[
        tuple[str, ...], Meta(description="Protocol eras served: `modern` (2026-07-28), `legacy` (before), or both.")
    ] = ("modern", "legacy")
    tls_ca: Annotated[
        str, Meta(description="File with the authority of the server's certificate (PEM), in place of this host's.")
    ] = ""
    tls_certificate: Annotated[str, Meta(description="File with the certificate we show to the server (PEM).")] = ""
    tls_key: Annotated[str, Meta(description="File with its key (PEM, not encrypted).")] = ""
    public_url: Annotated[
        str,
        Meta(
            description="Where clients reach this server through us when that is not our own port, behind a proxy say; "
            "access tokens must be issued for it."
        ),
    ] = ""
    scopes: Annotated[
        tuple[str, ...], Meta(description="Scopes that every request to it needs, if its token is limited by scopes.")
    ] = ()
    tool_scopes: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description='Scopes that calls of tools need beside those, by pattern: { "delete_*" = ["files.write"] }.'),
    ] = {}
    trace_context: Annotated[
        str, Meta(description="`pass` leaves `traceparent` in messages alone; `inject` puts the gateway's span there.")
    ] = "pass"
    pins: Annotated[OwnPinSettings, Meta(description="What of `[pins]` differs with this server.")] = OwnPinSettings()
    capture: Annotated[OwnCaptureSettings, Meta(description="What of `[capture]` differs with this server.")] = (
        OwnCaptureSettings()
    )


def check_gateway(settings: GatewaySettings) -> None:
    """Raises `Misconfigured` when the section cannot work."""
    if not settings.path.startswith("/") or "?" in settings.path or "#" in settings.path:
        raise Misconfigured(f"gateway.path: {settings.path!r} is no path", hint='write it as "/mcp"')
    if settings.port > 65535:
        raise Misconfigured(f"gateway.port: {settings.port} is no port", hint="choose one below 65536")
    _check_tls(settings)


def _check_tls(settings: GatewaySettings) -> None:
    if settings.client_certificates not in ("off", "optional", "required"):
        raise Misconfigured(
            f"gateway.client_certificates: {settings.client_certificates!r} is unknown",
            hint="choose off, optional or required",
        )
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise Misconfigured("gateway.tls_certificate and tls_key go together", hint="give both, or neither")
    asks = settings.client_certificates != "off"
    if asks and not (settings.tls_certificate and settings.tls_client_ca):
        raise Misconfigured(
            "gateway.client_certificates needs TLS and an authority", hint="set tls_certificate, tls_key, tls_client_ca"
        )
    if settings.certificate_clients and not asks:
        raise Misconfigured(
            "gateway.certificate_clients: no certificate is asked for", hint="set client_certificates to optional"
        )
    for name in settings.certificate_clients:
        if name.partition(":")[0] not in ("uri", "dns", "subject"):
            raise Misconfigured(
                f"gateway.certificate_clients: {name!r} is no name of a certificate",
                hint="write uri:…, dns:… or subject:…",
            )


def _check_server_tls(where: str, server: ServerSettings) -> None:
    if (server.tls_ca or server.tls_certificate or server.tls_key) and not server.url.startswith("https://"):
        raise Misconfigured(f"{where}: TLS is for a server at https", hint="correct its url, or drop tls_...")
    if bool(server.tls_certificate) != bool(server.tls_key):
        raise Misconfigured(f"{where}: tls_certificate and tls_key go together", hint="give both, or neither")


def check_server(name: str, server: ServerSettings) -> None:
    """Raises `Misconfigured`, naming the server, when its section cannot work."""
    where = f"servers.{name}"
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise Misconfigured(f"{where}: a server's name has letters, digits, - _ .", hint="rename the section")
    if bool(server.url) == bool(server.command):
        raise Misconfigured(
            f"{where}: give either url or command", hint='for example url = "http://127.0.0.1:8000/mcp"'
        )
    if server.url:
        _check_url(where, server.url)
    _check_server_tls(where, server)
    check_public_url(where, server.public_url)
    if server.durability not in ("batched", "strict"):
        raise Misconfigured(f"{where}.durability: {server.durability!r} is unknown", hint="choose batched or strict")
    if server.on_journal_failure not in ("stop", "pass"):
        raise Misconfigured(
            f"{where}.on_journal_failure: {server.on_journal_failure!r} is unknown", hint="choose stop or pass"
        )
    if server.criticality not in ("low", "normal", "high", "critical"):
        raise Misconfigured(
            f"{where}.criticality: {server.criticality!r} is unknown", hint="choose low, normal, high or critical"
        )
    _check_protocol(where, server)
    _check_reach(where, server)
    if server.port > 65535:
        raise Misconfigured(f"{where}.port: {server.port} is no port", hint="choose one below 65536")
    for header, value in server.headers.items():
        if (
            not header.isascii()
            or not value.isascii()
            or any(c in "\r\n\0: " for c in header)
            or "\n" in value
            or "\r" in value
        ):
            raise Misconfigured(f"{where}.headers: {header!r} is no header", hint="use ASCII without line breaks")
    _check_credential(where, server)
    check_pins(f"{where}.pins", server.pins)
    check_capture(f"{where}.capture", server.capture)


def _check_protocol(where: str, server: ServerSettings) -> None:
    if server.trace_context not in ("pass", "inject"):
        raise Misconfigured(f"{where}.trace_context: {server.trace_context!r} is unknown", hint="choose pass or inject")
    if not server.eras or not set(server.eras) <= {"modern", "legacy"}:
        raise Misconfigured(f"{where}.eras: there are the eras modern and legacy", hint="name one of them, or both")


def _check_reach(where: str, server: ServerSettings) -> None:
    if server.transport not in ("streamable", "sse"):
        raise Misconfigured(f"{where}.transport: {server.transport!r} is unknown", hint="choose streamable or sse")
    if server.transport == "sse" and not server.url:
        raise Misconfigured(f"{where}.transport: a command speaks over its pipes", hint="leave transport out")
    if server.sandbox not in ("auto", "require", "off"):
        raise Misconfigured(f"{where}.sandbox: {server.sandbox!r} is unknown", hint="choose auto, require or off")
    if server.sandbox == "off" and not server.network:
        raise Misconfigured(
            f"{where}.network: only a sandbox keeps a server off the network", hint='set sandbox = "require"'
        )


def _check_credential(where: str, server: ServerSettings) -> None:
    kind, oauth = server.credential, server.oauth
    if kind not in CREDENTIALS:
        raise Misconfigured(
            f"{where}.credential: {kind!r} is unknown", hint=f"choose one of {', '.join(sorted(CREDENTIALS))}"
        )
    if kind != "none" and not server.url:
        raise Misconfigured(f"{where}.credential: a started server has none", hint=f"set {where}.env instead")
    if kind == "static" and not server.headers:
        raise Misconfigured(f"{where}.credential: static needs headers", hint=f"set {where}.headers")
    if kind not in OAUTH and oauth != OAuthSettings():
        raise Misconfigured(f"{where}.oauth is not used by credential {kind!r}", hint=f"set {where}.credential")
    if kind in (*OAUTH, "pass_through"):
        _check_tokens(where, server)
    if kind in OAUTH:
        _check_oauth(f"{where}.oauth", kind, oauth)


def _check_tokens(where: str, server: ServerSettings) -> None:
    if any(header.lower() == "authorization" for header in server.headers):
        raise Misconfigured(f"{where}: headers and credential both set Authorization", hint="keep one of them")
    parts = urlsplit(server.url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or "") and not server.oauth.plain_http:
        raise Misconfigured(
            f"{where}.url: tokens would be sent without TLS", hint=f"use https, or set {where}.oauth.plain_http"
        )


def _check_oauth(where: str, kind: str, oauth: OAuthSettings) -> None:
    for field in ("client_secret", "client_key"):
        if getattr(oauth, field) and not is_reference(getattr(oauth, field)):
            raise Misconfigured(
                f"{where}.{field}: a secret is written by reference", hint='write "env:NAME" or "file:PATH"'
            )
    if oauth.client_secret and oauth.client_key:
        raise Misconfigured(f"{where}: there is both a client_secret and a client_key", hint="keep one of them")
    proof = "client_key" if oauth.client_key else "client_secret"
    needed = ("issuer", "client_id", proof) if kind != "user_grant" or getattr(oauth, proof) else ()
    for field in needed:
        if not getattr(oauth, field):
            raise Misconfigured(
                f"{where}.{field} is missing", hint="a secret is sent only to an issuer that the settings name"
            )
    for field in ("issuer", "resource"):
        value = getattr(oauth, field)
        parts = urlsplit(value)
        if value and (not parts.scheme or not parts.netloc or parts.fragment or "#" in value or "@" in parts.netloc):
            raise Misconfigured(f"{where}.{field}: {value!r} is no address", hint="write it as https://HOST/PATH")
    for scope in oauth.scopes:
        if not scope.isascii() or not scope.isprintable() or any(c in scope for c in ' "\\'):
            raise Misconfigured(f"{where}.scopes: {scope!r} is no scope", hint="one word an entry")


def check_public_url(where: str, url: str) -> None:
    """Raises `Misconfigured` when clients could not reach us there; an empty one is none."""
    if not url:
        return
    _check_url(where, url, "public_url")
    if "?" in url or "#" in url or url != url.strip():
        raise Misconfigured(f"{where}.public_url: it is an address without query", hint="cut it behind the path")


def _check_url(where: str, url: str, field: str = "url") -> None:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise Misconfigured(f"{where}.{field}: the port is no number", hint="choose one below 65536") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Misconfigured(f"{where}.{field}: {url!r} is no http address", hint="write it as http://HOST:PORT/PATH")
    if parts.username or parts.password:
        raise Misconfigured(f"{where}.{field}: credentials do not belong in a URL", hint=f"set {where}.headers instead")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    return host in _LOOPBACK
