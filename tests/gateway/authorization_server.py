"""A real OAuth 2.1 authorization server for tests: Authlib behind a small HTTP server, real keys, real signatures.

    with AuthorizationServer.running() as server:
        server.add_client("agent", secret="s3cret")
        token = server.mint(audience="http://127.0.0.1:7310/mcp", sub="ada")         # without asking over HTTP
        forged = server.mint(audience=…, header={"kid": "other"}, key=other_key)     # and with any flaw

It speaks RFC 8414 metadata and OpenID discovery, JWKS with rotation, authorization code with PKCE S256, client
credentials, refresh with rotation, token exchange (RFC 8693), resource indicators (RFC 8707), `iss` in answers (9207),
revocation (7009), introspection (7662) and dynamic registration (7591), over http on loopback or https with a test's
own CA. Consent is given at once, in the name of `user`; with `user = None` it is refused. It keeps what it was
asked in `asked`.
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2 import OAuth2Error
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.gateway.authorization_grants import GRANTS, Answer, Asked, Client, Code, Engine, Issued, Payload, User

HTTP_JSON = [("Content-Type", "application/json")]
_OAUTH, _OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]


def new_key(alg: str = "ES256", kid: str = "") -> Key:
    """A private key for one algorithm."""
    parameters: Any = {"kid": kid or secrets.token_hex(4), "use": "sig", "alg": alg}
    if alg.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, parameters)
    return OKPKey.generate_key("Ed25519", parameters) if alg == "EdDSA" else ECKey.generate_key("P-256", parameters)


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key, alg: str) -> str:
    """A token with any header at all: what a library would refuse to write is what some tests are about."""
    parts = [json.dumps(dict(part)).encode() for part in (header, claims)]
    said = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has a newer name, which few servers use yet
        signature = JWSRegistry(algorithms=[alg]).get_alg(alg).sign(said, key)
    return (said + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


class AuthorizationServer:
    """One issuer on one port."""

    def __init__(self, *, path: str = "", alg: str = "ES256", tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.alg = alg
        self.path = path
        self._tls = tls
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._bind(port)
        scheme = "https" if tls else "http"
        self.base = f"{scheme}://127.0.0.1:{self.port}"
        self.issuer = self.base + path
        self.clients: dict[str, Client] = {}
        self.codes: dict[str, Code] = {}
        self.issued: list[Issued] = []
        self.user: User | None = User("ada")
        """Who is at the browser."""
        self.lifetime = 300
        """Seconds until an access token expires."""
        self.claims: dict[str, Any] = {}
        """Put into every token, over what would stand there: `{"aud": "somebody else"}`."""
        self.metadata: dict[str, Any] = {}
        """Put into the metadata; None takes a member out."""
        self.known_resources: set[str] | None = None
        """Resources that tokens are issued for; None for any."""
        self.introspects = True
        """Its metadata names where to ask about a token."""
        self.failing = 0
        """A status to answer everything with, or 0."""
        self.asked: list[Seen] = []
        self.keys: list[Key] = []
        """Published; the last one signs."""
        self.rotate()
        self._engine = Engine(self, alg)

    # -- the life of it

    @classmethod
    @contextmanager
    def running(cls, **options: Any) -> Iterator[Self]:
        server = cls(**options)
        server.start()
        try:
            yield server
        finally:
            server.stop()

    def start(self) -> None:
        """Answer; after a `stop`, on the same port."""
        if self._http is None:
            self._bind(self.port)
        assert self._http is not None
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
            self._http = None

    def _bind(self, port: int) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.port: int = self._http.server_address[1]
        if self._tls is not None:
            self._http.socket = self._tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )

    # -- what tests arrange

    def add_client(self, id: str, secret: str = "", *redirect_uris: str, **more: Any) -> Client:
        """Register a client; without a secret it is public."""
        client = self.clients[id] = Client(id, secret, redirect_uris, **more)
        return client

    def rotate(self, *, keep: int = 1) -> Key:
        """Sign with a new key from now on; so many of the old ones stay published."""
        self.keys = [*(self.keys[-keep:] if keep else []), new_key(self.alg)]
        return self.keys[-1]

    @property
    def key_set(self) -> KeySet:
        return KeySet([self.keys[-1]])

    def mint(
        self,
        *,
        audience: str | list[str],
        sub: str = "ada",
        client_id: str = "agent",
        scope: str = "",
        header: Mapping[str, Any] | None = None,
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """An access token (RFC 9068) signed here and now. A claim or header of None is left out."""
        now = int(time.time())
        key = key or self.keys[-1]
        payload = {"iss": self.issuer, "aud": audience, "sub": sub, "client_id": client_id, "scope": scope}
        payload |= {"iat": now, "exp": now + self.lifetime, "jti": secrets.token_hex(8)} | claims
        top = {"alg": self.alg, "typ": "at+jwt", "kid": key.kid} | dict(header or {})
        kept = {name: value for name, value in payload.items() if value is not None}
        shown = {name: value for name, value in top.items() if value is not None}
        return sign(shown, kept, key, self.alg)

    def read_token(self, token: str) -> dict[str, Any]:
        """The claims of one of our tokens that was not revoked. Raises `ValueError`."""
        if any(issued.revoked for issued in self.issued if token == issued.access_token):
            raise ValueError("revoked")
        try:
            return dict(jwt.decode(token, KeySet(self.keys), algorithms=[self.alg]).claims)
        except JoseError as error:
            raise ValueError(str(error)) from error

    def count(self, path: str) -> int:
        """How often a path was asked for, below the issuer's own."""
        return sum(1 for seen in self.asked if seen.path == self.path + path)

    def jwks(self) -> dict[str, Any]:
        """The public keys as published."""
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def described(self) -> dict[str, Any]:
        """The metadata as published."""
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            **({"introspection_endpoint": f"{self.issuer}/introspect"} if self.introspects else {}),
            "registration_endpoint": f"{self.issuer}/register",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.alg],
            "grant_types_supported": list(GRANTS),
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
                "none",
            ],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.metadata
        return {name: value for name, value in said.items() if value is not None}

    # -- answering

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """One request, one answer."""
        parts = urlsplit(target)
        query, text = parse_qsl(parts.query), body.decode()
        form = parse_qsl(text) if "urlencoded" in headers.get("content-type", "") else []
        self.asked.append(Seen(method, parts.path, dict(query) | dict(form), headers))
        if self.failing:
            return Answer(self.failing, {"error": "server_error"}, HTTP_JSON)
        if parts.path in (_OAUTH + self.path, self.path + _OPENID, _OPENID + self.path, self.path + _OAUTH):
            return Answer(200, self.described(), HTTP_JSON)
        asked = Asked(method, target, headers, Payload(query), Payload(form))
        match method, parts.path.removeprefix(self.path):
            case "GET", "/jwks":
                return Answer(200, self.jwks(), HTTP_JSON)
            case "GET", "/authorize":
                return self._authorize(asked)
            case "POST", "/token":
                return self._as_answer(self._engine.create_token_response(asked))
            case "POST", "/revoke":
                return self._as_answer(self._engine.create_endpoint_response("revocation", asked))
            case "POST", "/introspect":
                return self._as_answer(self._engine.create_endpoint_response("introspection", asked))
            case "POST", "/register":
                return self._register(json.loads(text))
        return Answer(404, {"error": "not_found"}, HTTP_JSON)

    def _authorize(self, asked: Asked) -> Answer:
        try:
            grant = self._engine.get_consent_grant(asked, self.user)
        except OAuth2Error as error:
            return self._as_answer(self._engine.handle_error_response(asked, error))
        return self._as_answer(self._engine.create_authorization_response(asked, self.user, grant))

    def _register(self, wanted: dict[str, Any]) -> Answer:
        is_public = wanted.get("token_endpoint_auth_method") == "none"
        secret = "" if is_public else secrets.token_urlsafe(16)
        client = self.add_client(f"registered-{secrets.token_hex(4)}", secret, *wanted.get("redirect_uris", ()))
        client.grants = tuple(wanted.get("grant_types", ("authorization_code",)))
        said = wanted | {"client_id": client.id, "client_id_issued_at": int(time.time())}
        if secret:
            said |= {"client_secret": secret, "client_secret_expires_at": 0}
        return Answer(201, said, HTTP_JSON)

    @staticmethod
    def _as_answer(answer: Any) -> Answer:
        assert isinstance(answer, Answer)
        return answer


def _handler(server: AuthorizationServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            headers |= {"Authorization": headers["authorization"]} if "authorization" in headers else {}
            answer = server.answer(self.command, self.path, headers, body)
            data = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data.encode())))
            self.end_headers()
            self.wfile.write(data.encode())

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
