"""Making a token worthless: a client's own, one that we hold for it, or one of a configured issuer."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.respond.actions.effects import insisting, served
from watchkeeper.respond.interface import ActionContext, Outcome, PrincipalName, Proof, Reach, ServerName
from watchkeeper.respond.model import ACTOR
from watchkeeper.respond.ports import Asking, Revoked, Worth

_TOKENS = "reaches tokens"


class RevokeToken:
    """Ends a token where it was issued; it is told by fingerprint only."""

    name: ClassVar[str] = "revoke_token"
    reach: ClassVar[Reach] = Reach.IRREVERSIBLE
    touches: ClassVar[str] = "tokens"
    evidence: ClassVar[frozenset[str]] = frozenset({"fingerprints"})

    class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Either `principal`, with or without a server, or `issuer` and `token`."""

        reason: str
        principal: PrincipalName = ""
        """A client: its own token and all that it was granted."""
        server: ServerName = ""
        """Only what the principal was granted at this server."""
        issuer: str = ""
        """A configured integration that ends tokens."""
        token: str = ""
        """A reference to a token of it: `env:NAME` or `file:PATH`, never the token."""

    def run(self, parameters: Parameters, context: ActionContext) -> Outcome:
        tokens = served(context.services.tokens, _TOKENS)
        is_held = _is_held(parameters)
        context.claim()
        asking = Asking(context.key, ACTOR, parameters.reason, str(context.incident["id"]))
        if is_held:
            revoked = tokens.revoke(parameters.principal, parameters.server, asking)
        else:
            revoked = insisting(context, lambda: tokens.revoke_at(parameters.issuer, parameters.token, asking))
        return Outcome(_told(revoked, parameters), msgspec.to_builtins(revoked) | {"target": _target(parameters)})

    def verify(self, parameters: Parameters, context: ActionContext) -> Proof:
        """Its issuer says that it is inactive, or it was tried and is not taken; and nothing speaks against it.

        Of a token that another server issued, that our doors refuse it proves nothing: others may take it.
        """
        tokens = served(context.services.tokens, _TOKENS)
        worth: Worth
        if _is_held(parameters):
            worth = tokens.worth(parameters.principal, parameters.server)
        else:
            worth = tokens.worth_at(parameters.issuer, parameters.token)
        said = (worth.active, worth.is_taken)
        detail = {"active": worth.active, "is_taken": worth.is_taken, "target": _target(parameters)} | worth.detail
        is_gone = worth.active is False if parameters.issuer else False in said
        return Proof(is_gone and True not in said and not worth.detail.get("silent"), detail)

    def undo(self, parameters: Parameters, context: ActionContext) -> Outcome:
        if parameters.principal and not parameters.server:
            return Outcome("new tokens are issued; a person lets old ones in again: `watchkeeper revocations lift`")
        return Outcome("there is no way back: a new token is issued")

    def by_hand(self, parameters: Parameters) -> str:
        if not parameters.principal:
            return f"End the token {parameters.token} where {parameters.issuer} issued it."
        name = parameters.principal.removeprefix("agent:")
        if parameters.server:
            return f"`watchkeeper grants revoke {parameters.server} --client {name}`, and end it at its issuer."
        if "/" in name:
            return f"`watchkeeper revocations add --principal {name}`, and end it at its authorization server."
        return f"`watchkeeper clients revoke {name}`"


def _is_held(parameters: RevokeToken.Parameters) -> bool:
    """Whether we hold it or made it. Raises `Invalid`."""
    if bool(parameters.principal) == bool(parameters.issuer and parameters.token):
        raise Invalid("name a principal, or an issuer and a token of it", hint="a server goes with a principal only")
    return bool(parameters.principal)


def _target(parameters: RevokeToken.Parameters) -> str:
    if parameters.principal:
        return parameters.principal + (f" at {parameters.server}" if parameters.server else "")
    return f"{parameters.token} of {parameters.issuer}"


def _told(revoked: Revoked, parameters: RevokeToken.Parameters) -> str:
    doubt = f", but its issuer was not told: {revoked.doubt}" if revoked.doubt else ""
    return f"{revoked.what} of {_target(parameters)} revoked{doubt}"
