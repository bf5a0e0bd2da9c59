"""What the gateway's rooms hand to each other: routes and rulings. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.core.secrets import Secret
from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.capture.model import Capture
from watchkeeper.gateway.flood import FloodSettings
from watchkeeper.gateway.gaps import Gaps
from watchkeeper.gateway.redaction.model import Change
from watchkeeper.gateway.upstream import Outbound, Upstream
from watchkeeper.inspection.model import Finding
from watchkeeper.policy.model import Effect, Question, Verdict


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream behind one port of ours. Clients cache the era per origin, so no two upstreams share a port."""

    name: str
    """The server's name in settings, events and policies."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose; `Gateway.ports` says what it chose."""
    path: str = "/mcp"
    shadow: bool = False
    """Nothing is stopped; what would have been is recorded."""
    durability: str = "batched"
    """`strict`: an allowed call's answer waits until its event is on disk; `batched`: only a denial waits."""
    gaps: Gaps | None = None
    """Counts allowed calls that the journal cannot record, which then pass; None where they do not."""
    eras: tuple[str, ...] = ("modern", "legacy")
    """Which eras are served; the other one is refused in words from which its clients learn what is."""
    hands_on_trace: bool = False
    """Messages get our own span as their parent, so that the server's spans hang below ours."""
    floods: FloodSettings = FloodSettings()
    hop: str = ""
    """What it calls itself in `Via`; empty where nobody watches for circles."""
    public_url: str = ""
    """Where clients reach it when that is not its own port: what tokens must be issued for."""
    scopes: tuple[str, ...] = ()
    """Scopes that every request needs, if its credential is limited by scopes."""
    tool_scopes: dict[str, tuple[str, ...]] = {}
    """Pattern of tools' names → scopes that calls of them need beside those."""
    upstream: Upstream | None = None
    is_started: bool = False
    """Its server is started and not reached: in one worker, whichever is asked, or each would start its own."""
    capture: Capture | None = None
    """What of others' words its events keep; None for what holds where nothing is said."""
    keeps_credential: bool = False
    """The client's own credential is handed to the upstream, which exchanges it or, by the settings' word, passes it
    on. Otherwise nobody behind the edge ever sees it."""


class Ruling(msgspec.Struct, frozen=True):
    """What the guard says of one message."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    body: bytes | None = None
    """The message to forward instead, already inspected: a modification, or a list without its held entries."""
    has_failed: bool = False
    """Nobody judged it: it is denied for a failure of ours."""
    change: Change | None = None
    """What of it became placeholders, or was one."""
    told: dict[str, tuple[str, ...]] = {}
    """What policies were told beside the message: labels of the tool, flow marks, thresholds exceeded."""
    asked: Question | None = None
    """What policy was asked; None where something else decided first."""
    said: Effect | None = None
    """What policy said, whatever became of it."""
    policy: str = ""
    """Which set of policies was asked; empty where none was."""

    @property
    def is_notable(self) -> bool:
        """Whether something else than plain passing was decided, or would have been."""
        return self.verdict.effect is not Effect.ALLOW or self.verdict.would is not None


class Request(msgspec.Struct, kw_only=True):
    """A client's HTTP request that was let in: well-formed, not yet understood; authenticated, but for a detour."""

    verb: str
    """`POST`, `GET` or `DELETE`."""
    headers: list[tuple[bytes, bytes]]
    """What may be forwarded, as received."""
    principal: str
    version: str = ""
    """`MCP-Protocol-Version`."""
    session: str = ""
    """`Mcp-Session-Id`."""
    mirrors: dict[bytes, bytes] = {}
    """Headers that repeat the body (`mcp-method`, `mcp-name`, `mcp-param-*`), names in lower case."""
    trace: str = ""
    """`traceparent` of the HTTP request, as sent."""
    body: bytes = b""
    credential: Secret | None = None
    """The client's `Authorization`, on routes that keep it; on all others None."""
    via: str = ""
    """The endpoint it came through; empty on a server's own port."""
    survives: bool = False
    """Set by the exchange: losing the client does not cancel this request."""
    passed_on: bool = False
    """Set by the relay: it is another worker's, which answers it and says that it is under way."""
    origin: Request | None = None
    """The client's own request, of which this one is what an endpoint sends to a member."""
    caller: Caller | None = None
    """What is known of the principal beside its name."""
    resource: str = ""
    """The address that the client reached, as its token must name it (RFC 8707); its endpoint's, where it came in by
    one."""
    detour: Unsettled | Outbound | None = None
    """What stands between this request and its exchange: a token to be verified, or an answer that needs none."""

    @property
    def marks(self) -> tuple[str, ...] | None:
        """The caller's groups, as its credential says."""
        return self.caller.marks if self.caller is not None else None


class Unsettled(msgspec.Struct, frozen=True):
    """A token whose issuer has to be asked before anybody can say whose it is."""

    token: bytes
    host: str
    """What the client called us."""
    thumbprint: bytes
    """Of its certificate."""


class Refusal(msgspec.Struct, frozen=True):
    """A request that is turned away before anybody looks at its message."""

    status: int
    code: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    principal: str = ""
