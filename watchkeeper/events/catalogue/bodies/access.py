"""Who may come, and what for: clients and their tokens, tokens for servers, grants, approvals of calls."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Struct, UnsetType

from watchkeeper.events.catalogue.kind import DENIED, DONE, ON_TARGET, Body, Kind, says


class Minted(Body, frozen=True, kw_only=True):
    """A client's new token."""

    client: Annotated[str, says("The record's id.")]
    groups: Annotated[list[str], says("The client's groups.")]
    scopes: Annotated[list[str], says("The scopes it is limited to.")] | UnsetType = UNSET
    servers: Annotated[list[str], says("The servers it is limited to.")] | UnsetType = UNSET
    expires_at: Annotated[int, says("When it ends, microseconds.")] | UnsetType = UNSET


class Revoked(Body, frozen=True, kw_only=True):
    """A client's token that is worthless now."""

    client: Annotated[str, says("The record's id.")]
    reason: Annotated[str, says("Why; may be empty.")]


class Barred(Body, frozen=True, kw_only=True):
    """Tokens of an authorization server that are refused here, or taken again."""

    revocation: Annotated[str, says("The entry's id.")]
    what: Annotated[str, says("`token`, `jti` or `principal`: what the event's target names.")]
    before: Annotated[int, says("Of a principal: what was issued until then, microseconds; else 0.", ge=0)]
    expires_at: Annotated[int, says("When the entry is forgotten, microseconds; 0 when it is not.", ge=0)]
    incident: Annotated[str, says("The incident's id; empty when there is none.")]
    reason: Annotated[str, says("Why; may be empty.")]


class Obtained(Body, frozen=True, kw_only=True):
    """A token for a server."""

    way: Annotated[str, says("How it was got: `client_credentials`, `token_exchange`, …")]
    issuer: Annotated[str, says("The authorization server.")]
    client: Annotated[str, says("As which OAuth client.")]
    resource: Annotated[str, says("The server that it is for.")]
    scope: Annotated[str, says("Its scopes.")]
    until: Annotated[str, says("When it ends, ISO 8601.")]


class _Grant(Body, frozen=True, kw_only=True):
    """A person's grant."""

    grant: Annotated[str, says("Its id.")]
    issuer: Annotated[str, says("The authorization server that gave it.")]
    resource: Annotated[str, says("The server that it is for.")]
    client: Annotated[str, says("As which OAuth client.")]


class Granted(_Grant, frozen=True, kw_only=True):
    """A grant that came."""

    scope: Annotated[str, says("Its scopes.")]


class Ended(_Grant, frozen=True, kw_only=True):
    """A grant that ended."""

    reason: Annotated[str, says("Why; may be empty.")]


class _About(Body, frozen=True, kw_only=True):
    """Which approval."""

    approval: Annotated[str, says("Its id.")]
    binding: Annotated[str, says("Digest of all that it is bound to: the very same call, and no other.")]
    principal: Annotated[str, says("Whose call it is.")]
    method: Annotated[str, says("The call's method.")]
    rules: Annotated[list[str], says("Ids of the policies that ask for it.")]
    definition: Annotated[str, says("Fingerprint of the tool's definition; empty when it has none.")]
    policy: Annotated[str, says("Digest of the set of policies that asked.")]


class Demand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one policy wants."""

    role: Annotated[str, says("The least role that may decide.")]
    quorum: Annotated[int, says("How many different people must approve.", ge=0)]


class Requested(_About, frozen=True, kw_only=True):
    """A call that waits."""

    arguments: Annotated[str, says("Its arguments as people are shown them.", max_length=2048)]
    requires: Annotated[dict[str, Demand], says("Policy → what it wants.")]
    expires_at: Annotated[int, says("Until when it waits, microseconds.")]


class Decided(_About, frozen=True, kw_only=True):
    """One person's word."""

    choice: Annotated[str, says("`approve` or `deny`.")]
    role: Annotated[str, says("The role in which they said it.")]
    said: Annotated[str, says("Their reason; may be empty.")]
    state: Annotated[str, says("What the request came to by it.")]
    votes: Annotated[int, says("How many have spoken.", ge=0)]
    claimed: Annotated[str, says("Whom another system names, unverified.")] | UnsetType = UNSET


class Consumed(_About, frozen=True, kw_only=True):
    """The call passed."""

    correlation: Annotated[str, says("Names the call's verdict.")]
    approved_by: Annotated[list[str], says("Who approved it.")]


class Expired(_About, frozen=True, kw_only=True):
    """Time ran out."""

    was: Annotated[str, says("How it stood before.")]


class Voided(_About, frozen=True, kw_only=True):
    """It is worth nothing any more."""

    was: Annotated[str, says("How it stood before.")]
    because: Annotated[str, says("What has changed.")]


_CALL = ("actor", "server", "outcome")
KINDS = {
    "gateway.principal.minted": Kind(body=Minted, sets=ON_TARGET, outcomes=DONE),
    "gateway.principal.revoked": Kind(body=Revoked, sets=ON_TARGET, outcomes=DONE),
    "gateway.token.revoked": Kind(body=Barred, sets=ON_TARGET, outcomes=DONE),
    "gateway.token.restored": Kind(body=Barred, sets=ON_TARGET, outcomes=DONE),
    "gateway.credential.obtained": Kind(body=Obtained, sets=_CALL, outcomes=DONE),
    "gateway.grant.added": Kind(body=Granted, sets=(*ON_TARGET, "server"), outcomes=DONE),
    "gateway.grant.ended": Kind(body=Ended, sets=(*ON_TARGET, "server"), outcomes=DONE),
    "gateway.approval.requested": Kind(body=Requested, sets=_CALL, may=("target",), outcomes=("ask",)),
    "gateway.approval.decided": Kind(body=Decided, sets=_CALL, may=("target",), outcomes=("allow", "deny")),
    "gateway.approval.consumed": Kind(body=Consumed, sets=_CALL, may=("target",), outcomes=("allow",)),
    "gateway.approval.expired": Kind(body=Expired, sets=_CALL, may=("target",), outcomes=DENIED),
    "gateway.approval.voided": Kind(body=Voided, sets=_CALL, may=("target",), outcomes=DENIED),
}
