"""What passes the gateway: requests, servers' own messages, refusals, sessions, and who is behind them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from watchkeeper.events.catalogue.kind import (
    AT_SERVER,
    DENIED,
    DONE,
    LEFT_OUT,
    VERDICTS,
    Body,
    Captured,
    Finding,
    Kind,
    says,
)


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What policy was asked beside what the event says itself, so that it can be asked again."""

    effect: Annotated[str | None, says("What policy answered.")]
    action: Annotated[str, says("The action that it was asked about: `call_tool`, `receive`, `list`, …")]
    target: Annotated[str, says("The tool, prompt or resource.", max_length=512)]
    pin: Annotated[str, says("How the definition was pinned.")] | UnsetType = UNSET
    groups: Annotated[list[str], says("The caller's groups.")] | UnsetType = UNSET
    findings: Annotated[list[str], says("Labels of what was noticed.")] | UnsetType = UNSET
    labels: Annotated[list[str], says("What the tool and its server can do or are.")] | UnsetType = UNSET
    flow: Annotated[list[str], says("Marks on what the caller has read and sends.")] | UnsetType = UNSET
    counts: Annotated[list[str], says("Thresholds that were exceeded.")] | UnsetType = UNSET
    times: Annotated[list[str], says("Named windows of time that were open.")] | UnsetType = UNSET
    kept: Annotated[bool, says("The arguments stand in the event whole.")] | UnsetType = UNSET


class Changed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a message became placeholders, or was one."""

    policies: Annotated[list[str], says("Ids of the policies that asked for it.")] | UnsetType = UNSET
    replaced: Annotated[dict[str, int], says("Type → how many values became placeholders.")] | UnsetType = UNSET
    restored: Annotated[dict[str, int], says("Type → how many placeholders became values again.")] | UnsetType = UNSET
    kept: Annotated[dict[str, int], says("Type → how many placeholders went on as they were.")] | UnsetType = UNSET


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict on the answer."""

    outcome: Annotated[str, says("`allow`, `modify`, `ask` or `deny`.")]
    rules: Annotated[list[str], says("Ids of the policies that spoke.")]
    reason: Annotated[str, says("Why, fit for a model to read.")]
    asked: Annotated[Asked | None, says("What policy was asked; null when something else decided first.")]
    changed: Annotated[Changed, says("What was changed in it.")] | UnsetType = UNSET
    noticed: Annotated[list[str], says("Ids of the inspectors' rules that found something in it.")] | UnsetType = UNSET
    would: Annotated[str, says("The outcome if the policies in shadow mode were enforced.")] | UnsetType = UNSET
    shadowed: Annotated[list[str], says("Ids of those policies.")] | UnsetType = UNSET


class Request(Body, frozen=True, kw_only=True):
    """A client's message; of a GET or DELETE, which has none, only the first four members."""

    method: Annotated[str, says("The MCP method; `GET` or `DELETE` for a request without a message.", max_length=512)]
    status: Annotated[int, says("The answer's HTTP status; 0 when there was none.", ge=0, le=999)]
    route: Annotated[str, says("The route or endpoint by which it came.")]
    rules: Annotated[list[str], says("Ids of the policies that spoke.")]
    id: Annotated[int | str | None, says("The message's id, as the client chose it.")] | UnsetType = UNSET
    reason: Annotated[str, says("Why, fit for a model to read.")] | UnsetType = UNSET
    correlation: Annotated[str, says("Names this verdict in refusals and questions.")] | UnsetType = UNSET
    policy: Annotated[str, says("Digest of the set of policies that was asked; empty if none was.")] | UnsetType = UNSET
    bytes_in: Annotated[int, says("Bytes of the message.", ge=0)] | UnsetType = UNSET
    bytes_out: Annotated[int, says("Bytes of the answer.", ge=0)] | UnsetType = UNSET
    duration_us: Annotated[int | UnsetType, says("Microseconds from its arrival, no wait for a person among them.")] = (
        UNSET
    )
    arguments: Annotated[str, says("What was asked: JSON, redacted and cut.")] | UnsetType = UNSET
    asked: Annotated[Asked | None, says("What policy was asked; null if something else decided.")] | UnsetType = UNSET
    answer: Annotated[Answer, says("The verdict on the answer, once it came.")] | UnsetType = UNSET
    result: Annotated[str, says("What was answered: JSON, redacted and cut; not of lists.")] | UnsetType = UNSET
    capture: Annotated[dict[str, Captured], LEFT_OUT] | UnsetType = UNSET
    findings: Annotated[list[Finding], says("What was noticed in message and answer.")] | UnsetType = UNSET
    noticed: Annotated[list[str], says("Ids of the rules that found something in the message.")] | UnsetType = UNSET
    changed: Annotated[Changed, says("What was changed in the message.")] | UnsetType = UNSET
    would: Annotated[str, says("The outcome if the policies in shadow mode were enforced.")] | UnsetType = UNSET
    shadowed: Annotated[list[str], says("Ids of those policies.")] | UnsetType = UNSET
    labels: Annotated[list[str], says("What the tool and its server can do or are.")] | UnsetType = UNSET
    flow: Annotated[list[str], says("Marks on what the caller has read and sends.")] | UnsetType = UNSET
    counts: Annotated[list[str], says("Thresholds that were exceeded.")] | UnsetType = UNSET
    times: Annotated[list[str], says("Named windows of time that were open.")] | UnsetType = UNSET
    version: Annotated[int | str, says("The protocol version that the message named.")] | UnsetType = UNSET
    session: Annotated[str, says("Digest of its session, of the older era and outside of endpoints.")] | UnsetType = (
        UNSET
    )
    ending: Annotated[str, says("How it ended when not by an answer: `cancelled`, …")] | UnsetType = UNSET
    held_us: Annotated[int, says("Microseconds it waited for a person.", ge=0)] | UnsetType = UNSET
    dropped: Annotated[dict[str, int], says("Notifications that came too fast, by kind.")] | UnsetType = UNSET
    failure: Annotated[int | str, says("The answer's error code, or `tool_error`.")] | UnsetType = UNSET
    http_trace: Annotated[str, says("The HTTP request's own trace, where the message had another.")] | UnsetType = UNSET
    parent_span: Annotated[str, says("The span above ours.")] | UnsetType = UNSET


class ServerMessage(Body, frozen=True, kw_only=True):
    """A server's message that answers nothing."""

    method: Annotated[int | str | None, says("Its method.")]
    id: Annotated[int | str | None, says("Its id; null for a notification.")]
    outcome: Annotated[str, says("`allow`, `modify`, `ask` or `deny`.")]
    rules: Annotated[list[str], says("Ids of the policies that spoke.")]
    reason: Annotated[str, says("Why, fit for a model to read.")]
    asked: Annotated[Asked | None, says("What policy was asked; null when something else decided first.")]
    correlation: Annotated[str, says("Names this verdict in refusals and questions.")]
    findings: Annotated[list[Finding], says("What was noticed in it.")]
    route: Annotated[str, says("The route that it came by.")]
    message: Annotated[str, says("What it said: JSON, redacted and cut.")] | UnsetType = UNSET
    capture: Annotated[dict[str, Captured], LEFT_OUT] | UnsetType = UNSET
    changed: Annotated[Changed, says("What was changed in it.")] | UnsetType = UNSET
    noticed: Annotated[list[str], says("Ids of the inspectors' rules that found something in it.")] | UnsetType = UNSET
    would: Annotated[str, says("The outcome if the policies in shadow mode were enforced.")] | UnsetType = UNSET
    shadowed: Annotated[list[str], says("Ids of those policies.")] | UnsetType = UNSET


class Refused(Body, frozen=True, kw_only=True):
    """A request that nobody looked at."""

    status: Annotated[int, says("The HTTP status it was answered with.", ge=0, le=999)]
    code: Annotated[int, says("The JSON-RPC error code of the answer.")]
    reason: Annotated[str, says("Why.")]
    route: Annotated[str, says("The route that it came by.")]
    passed_over: Annotated[int, says("So many before it were counted and not recorded.", ge=1)] | UnsetType = UNSET


class Loop(Body, frozen=True, kw_only=True):
    """The same call again and again."""

    tool: Annotated[str, says("The tool, or whatever it names.", max_length=512)]
    count: Annotated[int, says("How often it came.", ge=1)]
    seconds: Annotated[float, says("Within so many seconds.", ge=0)]


class Verified(Body, frozen=True, kw_only=True):
    """An access token, as it was verified."""

    client: Annotated[str, says("The OAuth client that got it.")]
    credential: Annotated[str, says("What kind of credential it is, such as `jwt`.")]
    scopes: Annotated[list[str], says("Its scopes, the first ones of many.")]


class Elevated(Verified, frozen=True, kw_only=True):
    """The same, with what is new."""

    gained: Annotated[list[str], says("The scopes that the token before it lacked.")]


class Narrowed(Body, frozen=True, kw_only=True):
    """A server is missing from an endpoint's answer."""

    method: Annotated[str, says("The client's method.", max_length=512)]
    member: Annotated[str, says("The server that is missing.")]
    reason: Annotated[str, says("Why.")]


class Collided(Body, frozen=True, kw_only=True):
    """Entries that an endpoint did not list."""

    method: Annotated[str, says("The client's method.", max_length=512)]
    member: Annotated[str, says("The server whose entries they are.")]
    names: Annotated[list[str], says("Their names, the first ones of many.")]
    count: Annotated[int, says("How many they are.", ge=1)]
    reason: Annotated[str, says("Why they cannot stand beside others.")]


class Session(Body, frozen=True, kw_only=True):
    """A session of the older era."""

    session: Annotated[str, says("Digest of the session, as its requests have it.", min_length=20, max_length=20)]


_CALL = ("actor", "claimed", "target", "era", "trace")
KINDS = {
    "gateway.request.decided": Kind(
        body=Request, sets=("server", "outcome"), may=_CALL, outcomes=VERDICTS, labels=("shadow",)
    ),
    "gateway.message.decided": Kind(
        body=ServerMessage, sets=("server", "outcome"), may=("actor", "era"), outcomes=VERDICTS, labels=("shadow",)
    ),
    "gateway.request.refused": Kind(body=Refused, sets=("server", "outcome"), may=("actor", "era"), outcomes=DENIED),
    "gateway.session.opened": Kind(body=Session, sets=(*AT_SERVER, "era")),
    "gateway.session.closed": Kind(body=Session, sets=(*AT_SERVER, "era")),
    "gateway.loop.noticed": Kind(body=Loop, sets=(*AT_SERVER, "era")),
    "gateway.endpoint.narrowed": Kind(body=Narrowed, sets=(*AT_SERVER, "era")),
    "gateway.endpoint.collided": Kind(body=Collided, sets=(*AT_SERVER, "era")),
    "gateway.caller.verified": Kind(body=Verified, sets=(*AT_SERVER, "outcome"), outcomes=DONE),
    "gateway.scope.elevated": Kind(body=Elevated, sets=(*AT_SERVER, "outcome"), outcomes=DONE),
}
