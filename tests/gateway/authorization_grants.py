"""What Authlib asks of whoever builds an authorization server with it: clients, codes, tokens, grants, in memory.

Beside Authlib's own grants there is token exchange (RFC 8693), and resource indicators (RFC 8707) in all of them.
"""

from __future__ import annotations

import hmac
import time
from collections import defaultdict
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from authlib.common.security import generate_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Payload, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    UnauthorizedClientError,
)
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    BaseGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    TokenEndpointMixin,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oauth2.rfc9207 import IssuerParameter
from joserfc.jwk import KeySet

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
GRANTS = ("authorization_code", "refresh_token", "client_credentials", EXCHANGE)

_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
_resources: ContextVar[tuple[str, ...]] = ContextVar("resources", default=())
_actor: ContextVar[str] = ContextVar("actor", default="")


@dataclass
class User:
    """A resource owner. Whoever it is, consent is given at once."""

    id: str
    claims: dict[str, Any] = field(default_factory=dict)

    def get_user_id(self) -> str:
        return self.id


@dataclass
class Client(ClientMixin):
    """A registered client; public when it has no secret."""

    id: str
    secret: str = ""
    redirect_uris: tuple[str, ...] = ()
    scope: str = ""
    """Everything it may ask for; empty for anything the server knows."""
    grants: tuple[str, ...] = GRANTS
    claims: dict[str, Any] = field(default_factory=dict)
    public_key: Any = None
    """Of a client that signs assertions in place of a secret."""

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if self.redirect_uris else None

    def get_allowed_scope(self, scope: str | None) -> str:
        if not scope:
            return self.scope
        return " ".join(s for s in scope.split() if not self.scope or s in self.scope.split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.secret) and hmac.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if self.public_key is not None or method == "private_key_jwt":
            return self.public_key is not None and method == "private_key_jwt"
        return (method == "none") == (not self.secret)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass
class Code:
    """An authorization code, good for one token request."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: User
    resources: tuple[str, ...]
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Issued(TokenMixin):
    """What was handed out by one token request."""

    client_id: str
    access_token: str
    refresh_token: str
    scope: str
    user: User | None
    resources: tuple[str, ...]
    grant: str
    revoked: bool = False

    def is_expired(self) -> bool:
        return False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.id

    def get_scope(self) -> str:
        return self.scope

    def is_revoked(self) -> bool:
        return self.revoked


class InvalidTarget(OAuth2Error):
    """RFC 8707 section 2: the resource is malformed, unknown, or was not granted."""

    error = "invalid_target"


class Book(Protocol):
    """What the grants read and write; the server in `authorization_server` is one."""

    issuer: str
    clients: dict[str, Client]
    codes: dict[str, Code]
    issued: list[Issued]
    lifetime: int
    claims: dict[str, Any]
    key_set: KeySet
    known_resources: set[str] | None

    def read_token(self, token: str) -> dict[str, Any]: ...


class Payload(OAuth2Payload):
    """Query and form of one request."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in fields:
            self._lists[name].append(value)

    @property
    def data(self) -> dict[str, str]:
        return {name: values[0] for name, values in self._lists.items()}

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._lists


class Asked(OAuth2Request):
    """One request. Authlib takes it for one over TLS: what a test does on loopback is the test's business."""

    def __init__(self, method: str, target: str, headers: dict[str, str], query: Payload, form: Payload) -> None:
        super().__init__(method, f"https://loopback.invalid{target}", headers=headers)
        self._query, self._form = query, form
        self.payload = form if method == "POST" else query

    @property
    def args(self) -> dict[str, str]:
        return self._query.data

    @property
    def form(self) -> dict[str, str]:
        return self._form.data


@dataclass
class Answer:
    """What goes back."""

    status: int
    body: Any
    headers: list[tuple[str, str]]

    @property
    def location(self) -> str:
        return next((value for name, value in self.headers if name == "Location"), "")

    @location.setter
    def location(self, url: str) -> None:
        self.headers = [(name, url if name == "Location" else value) for name, value in self.headers]


class Engine(AuthorizationServer):
    """Authlib's server on a book."""

    def __init__(self, book: Book, alg: str) -> None:
        super().__init__()
        self.book = book
        self.register_token_generator("default", _Tokens(book, alg))
        self.register_grant(_CodeGrant, [_Pkce(required=True)])
        self.register_grant(_ClientGrant)
        self.register_grant(_RefreshGrant)
        self.register_grant(_ExchangeGrant)
        self.register_endpoint(_Revocation)
        self.register_endpoint(_Introspection)
        self.register_extension(_Issuer(book))
        self.register_client_auth_method("private_key_jwt", _Assertion(book))

    def query_client(self, client_id: str) -> Client | None:
        return self.book.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Asked) -> None:
        issued = Issued(
            client_id=request.client.id,
            access_token=token["access_token"],
            refresh_token=token.get("refresh_token", ""),
            scope=token.get("scope", ""),
            user=request.user,
            resources=_resources.get(),
            grant=request.payload.grant_type,
        )
        self.book.issued.append(issued)

    def create_oauth2_request(self, request: Asked) -> Asked:
        _resources.set(())
        _actor.set("")
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        return Answer(status, body, list(headers))

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        return


class _Assertion(JWTBearerClientAssertion):
    """RFC 7523: the client signs; each assertion is good once, for this issuer only."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, book: Book) -> None:
        super().__init__()
        self._book = book
        self._seen: set[str] = set()

    def get_audiences(self) -> list[str]:
        return [self._book.issuer]

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        is_new = jti not in self._seen
        self._seen.add(jti)
        return is_new

    def resolve_client_public_key(self, client: Client) -> Any:
        if client.public_key is None:
            raise InvalidClientError(description="The client has no key.")
        return client.public_key


class _Issuer(IssuerParameter):
    def __init__(self, book: Book) -> None:
        self._book = book

    def get_issuer(self) -> str:
        return str(self._book.claims.get("iss", self._book.issuer))


class _Tokens(JWTBearerTokenGenerator):
    def __init__(self, book: Book, alg: str) -> None:
        super().__init__(book.issuer, alg, _refresh_token, lambda client, grant: book.lifetime)
        self._book = book

    def get_jwks(self) -> KeySet:
        return self._book.key_set

    def get_audiences(self, client: Client, user: User | None, scope: str) -> str | list[str]:
        resources = _resources.get()
        return resources[0] if len(resources) == 1 else list(resources) or self._book.issuer

    def get_extra_claims(self, client: Client, grant_type: str, user: User | None, scope: str) -> dict[str, Any]:
        act = {"act": {"sub": _actor.get()}} if _actor.get() else {}
        return act | client.claims | (user.claims if user else {}) | self._book.claims


def _refresh_token(**_: object) -> str:
    return str(generate_token(48))


def _resources_of(grant: Any, granted: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The `resource` parameters of a request, which must have been granted if anything was. Also `audience`."""
    payload = grant.request.payload
    asked = tuple(payload.datalist.get("resource", ())) + tuple(payload.datalist.get("audience", ()))
    known = grant.server.book.known_resources
    for resource in asked:
        if "#" in resource or (known is not None and resource not in known):
            raise InvalidTarget("The resource is not known here.")
        if granted and resource not in granted:
            raise InvalidTarget("The resource was not granted.")
    return asked or granted or ()


class _Pkce(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A code_challenge by S256 is needed.")
        super().validate_code_challenge(grant, redirect_uri)


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def save_authorization_code(self, code: str, request: Asked) -> None:
        data = request.payload.data
        self.server.book.codes[code] = Code(
            code=code,
            client_id=request.client.id,
            redirect_uri=request.payload.redirect_uri or "",
            scope=request.scope,
            user=request.user,
            resources=_resources_of(self),
            code_challenge=data["code_challenge"],
            code_challenge_method=data["code_challenge_method"],
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        known: Code | None = self.server.book.codes.get(code)
        return known if known is not None and known.client_id == client.id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.book.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> User:
        _resources.set(_resources_of(self, authorization_code.resources))
        return authorization_code.user


class _ClientGrant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS[:3]

    def create_token_response(self) -> Any:
        _resources.set(_resources_of(self))
        return super().create_token_response()


class _RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Issued | None:
        known = (i for i in self.server.book.issued if i.refresh_token == refresh_token and not i.revoked)
        return next(known, None)

    def authenticate_user(self, refresh_token: Issued) -> User | None:
        _resources.set(_resources_of(self, refresh_token.resources))
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Issued) -> None:
        refresh_token.revoked = True


class _ExchangeGrant(BaseGrant, TokenEndpointMixin):
    """RFC 8693: a token of ours for another resource, with the exchanging client as `act`."""

    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS[:3]
    GRANT_TYPE = EXCHANGE

    def validate_token_request(self) -> None:
        client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(EXCHANGE):
            raise UnauthorizedClientError("The client may not exchange tokens.")
        form = self.request.form
        if not form.get("subject_token") or form.get("subject_token_type") not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("A subject_token and its type are needed.")
        if form.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("Only access tokens are issued.")
        try:
            self.subject = self.server.book.read_token(form["subject_token"])
        except ValueError as error:
            raise InvalidGrantError("The subject token is not valid.") from error
        if self.subject.get("exp", 0) < time.time():
            raise InvalidGrantError("The subject token has expired.")
        self.request.client = client

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        _resources.set(_resources_of(self))
        _actor.set(self.request.client.id)
        kept = {name: value for name, value in self.subject.items() if name in ("tenant", "groups", "email")}
        user = User(str(self.subject["sub"]), kept)
        scope = self.request.payload.scope or self.subject.get("scope", "")
        token = self.generate_token(user=user, scope=scope, include_refresh_token=False)
        self.request.user = user
        self.save_token(token)
        return 200, token | {"issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = _METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        known = (i for i in self.server.book.issued if token_string in (i.access_token, i.refresh_token))
        return next(known, None)

    def revoke_token(self, token: Issued, request: Asked) -> None:
        token.revoked = True


class _Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = _METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Issued | None:
        known = (i for i in self.server.book.issued if token_string in (i.access_token, i.refresh_token))
        return next(known, None)

    def check_permission(self, token: Issued, client: Client, request: Asked) -> bool:
        return token.client_id == client.id

    def introspect_token(self, token: Issued) -> dict[str, Any]:
        return {"active": True, "client_id": token.client_id, "scope": token.scope}
