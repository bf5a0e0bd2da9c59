"""`[issuers.NAME]`: the authorization servers whose tokens are accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.core.secrets import is_reference
from watchkeeper.gateway.caller import NAME
from watchkeeper.gateway.oauth.algorithms import ASYMMETRIC


class IssuerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[issuers.NAME]`: an OAuth authorization server whose access tokens (JWT) are accepted on every route."""

    url: Annotated[str, Meta(description="Its issuer identifier, exactly as its metadata and tokens say it.")] = ""
    jwks_url: Annotated[str, Meta(description="Where its keys are; empty asks its metadata.")] = ""
    algorithms: Annotated[tuple[str, ...], Meta(description="Signature algorithms accepted; asymmetric ones only.")] = (
        "RS256",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA",
    )
    token_types: Annotated[
        tuple[str, ...],
        Meta(description="Values of a token's `typ` accepted; add `JWT` for a server that does not follow RFC 9068."),
    ] = ("at+jwt",)
    audiences: Annotated[
        tuple[str, ...],
        Meta(
            description="Audiences accepted in place of a route's own address, for a server that cannot issue tokens "
            "for it (RFC 8707). A token with one of them is good on every route."
        ),
    ] = ()
    other_audiences: Annotated[
        tuple[str, ...],
        Meta(description="Audiences that may stand beside ours in a token; any other one makes it refused."),
    ] = ()
    leeway_seconds: Annotated[float, Meta(description="How far clocks may be apart.", ge=0, le=300)] = 30.0
    scopes: Annotated[tuple[str, ...], Meta(description="Scopes that every request needs, whatever the server.")] = ()
    implies: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description='Scopes that a scope includes: { "files.write" = ["files.read"] }.'),
    ] = {}
    scope_claim: Annotated[str, Meta(description="Claim with the scopes; some servers use `scp`.")] = "scope"
    principal_claim: Annotated[
        str, Meta(description="Claim that names the principal; `client_id` names the agent rather than its user.")
    ] = "sub"
    groups_claim: Annotated[str, Meta(description="Claim with the principal's groups; empty for none.")] = ""
    tenant: Annotated[str, Meta(description="Tenant of everybody it vouches for.")] = "default"
    tenant_claim: Annotated[
        str, Meta(description="Claim that names the tenant, in place of `tenant`; a token without it is refused.")
    ] = ""
    keys_seconds: Annotated[
        float,
        Meta(description="Its keys are asked for again after; a verified token is verified again, too.", ge=10),
    ] = 600.0
    keys_max_seconds: Annotated[
        float, Meta(description="While it cannot be reached, its keys are used for no longer than.", ge=10)
    ] = 86_400.0
    retry_seconds: Annotated[
        float, Meta(description="It is not asked again, by an unknown key's name or after a failure, within.", gt=0)
    ] = 10.0
    introspect_url: Annotated[
        str,
        Meta(
            description="Where it is asked whether a token is still good (RFC 7662), before the token is taken; empty: "
            "it is not asked, and a token is good until it expires or is revoked here."
        ),
    ] = ""
    introspect_client: Annotated[str, Meta(description="The client as which it is asked.")] = ""
    introspect_secret: Annotated[str, Meta(description="Reference to that client's secret: `env:NAME`.")] = ""
    introspect_seconds: Annotated[
        float, Meta(description="Its word on a token holds for so long, yes or no.", ge=1, le=3600)
    ] = 30.0
    introspect_timeout_seconds: Annotated[
        float,
        Meta(
            description="It has so long to say; a token on which it says nothing is refused. After three failures in a "
            "row it is left alone for `retry_seconds`.",
            gt=0,
            le=10,
        ),
    ] = 2.0


def check_issuers(issuers: Mapping[str, IssuerSettings]) -> None:
    """Raises `Misconfigured`, naming the issuer, when a section cannot work."""
    for name, issuer in issuers.items():
        check_issuer(name, issuer)
    if len({issuer.url for issuer in issuers.values()}) < len(issuers):
        raise Misconfigured("two issuers have the same url", hint="keep one of them")


def check_issuer(name: str, issuer: IssuerSettings) -> None:
    """Raises `Misconfigured`, naming the issuer, when its section cannot work."""
    where = f"issuers.{name}"
    if not NAME.fullmatch(name):
        raise Misconfigured(f"{where}: an issuer's name has letters, digits, - _ .", hint="rename the section")
    if not issuer.url:
        raise Misconfigured(f"{where}.url is missing", hint='for example url = "https://login.example.com"')
    for field in ("url", "jwks_url", "introspect_url"):
        _check_url(f"{where}.{field}", getattr(issuer, field))
    _check_introspection(where, issuer)
    unknown = [name for name in issuer.algorithms if name not in ASYMMETRIC]
    if unknown or not issuer.algorithms:
        raise Misconfigured(
            f"{where}.algorithms: {unknown[0] if unknown else 'an empty list'} cannot be accepted",
            hint=f"choose from {', '.join(sorted(ASYMMETRIC))}; none and HS256 are no proof of who signed",
        )
    if not NAME.fullmatch(issuer.tenant):
        raise Misconfigured(f"{where}.tenant: {issuer.tenant!r} is no tenant's name", hint="use letters, digits, - _ .")
    if issuer.keys_max_seconds < issuer.keys_seconds:
        raise Misconfigured(f"{where}.keys_max_seconds is less than keys_seconds", hint="make it longer")


def _check_introspection(where: str, issuer: IssuerSettings) -> None:
    needed = ("introspect_client", "introspect_secret")
    for field in needed:
        if bool(getattr(issuer, field)) != bool(issuer.introspect_url):
            raise Misconfigured(
                f"{where}: introspect_url, {' and '.join(needed)} belong together", hint="write all of them, or none"
            )
    if issuer.introspect_secret and not is_reference(issuer.introspect_secret):
        raise Misconfigured(
            f"{where}.introspect_secret: a secret is written by reference", hint='write "env:NAME" or "file:PATH"'
        )


def _check_url(where: str, url: str) -> None:
    if not url:
        return
    try:
        parse_target(url)
    except FetchRefused as error:
        raise Misconfigured(f"{where}: {error.reason}", hint="write it as https://HOST/PATH") from error
    if "?" in url:
        raise Misconfigured(f"{where}: an issuer's address has no query", hint="write it as https://HOST/PATH")
