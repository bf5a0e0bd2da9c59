"""The training server for members, beside the authorization server that alone issues its tokens; both on one port.

The authorization server's door (authorization code with PKCE by S256, refresh with rotation, revocation by RFC 7009) is
the MCP SDK's; its books and introspection (RFC 7662) are ours. Tokens are opaque, are for this server only (RFC 8707)
and lie in memory; whoever revokes one of a pair ends both. There is one client, and nobody at a browser is asked who
they are: this is for exercises, on loopback. It is started by `members`, which hands it its port and the secret.
"""

from __future__ import annotations

import argparse
import socket
import time
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import uvicorn
from mcp.server.auth.middleware.client_auth import AuthenticationError, ClientAuthenticator
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchkeeper.exercise.members import CLIENT_ID, REDIRECT_URI
from watchkeeper.exercise.training_server import TrainingServer

METADATA = "/.well-known/oauth-authorization-server"
_CODE_SECONDS, _TOKEN_SECONDS = 60, 600
_UNKEPT = {"Cache-Control": "no-store"}


class Pair:
    """What was issued together."""

    def __init__(self, resource: str | None, scopes: list[str]) -> None:
        self.access, self.refresh = token_urlsafe(32), token_urlsafe(32)
        self.is_over = False
        """Revoked, or renewed."""
        about: dict[str, Any] = {"client_id": CLIENT_ID, "scopes": scopes, "resource": resource}
        self.access_token = AccessToken(token=self.access, expires_at=int(time.time()) + _TOKEN_SECONDS, **about)
        self.refresh_token = RefreshToken(token=self.refresh, **about)


class Desk(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """The books: codes that are good once, and pairs of tokens."""

    def __init__(self, issuer: str, secret: str) -> None:
        self.issuer = issuer
        self.resource = f"{issuer}/mcp"
        self._codes: dict[str, AuthorizationCode] = {}
        self._pairs: list[Pair] = []
        self._client = OAuthClientInformationFull(
            client_id=CLIENT_ID,
            client_secret=secret,
            redirect_uris=[AnyUrl(REDIRECT_URI)],
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 — how it shows the secret
        )

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self._client if client_id == CLIENT_ID else None

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        raise RegistrationError("invalid_client_metadata", "nobody registers here")

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        if params.resource != self.resource:
            raise AuthorizeError("invalid_target", "tokens are issued for one server only")
        code = AuthorizationCode(
            code=token_urlsafe(32),
            scopes=params.scopes or [],
            expires_at=time.time() + _CODE_SECONDS,
            client_id=CLIENT_ID,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self._codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state, iss=self.issuer)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self._codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self._codes[authorization_code.code]
        return self._issue(authorization_code.resource, authorization_code.scopes)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        pair = self._living(refresh_token)
        return pair.refresh_token if pair is not None and pair.refresh == refresh_token else None

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        await self.revoke_token(refresh_token)
        return self._issue(refresh_token.resource, scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        pair = self._living(token)
        is_good = pair is not None and pair.access == token and (pair.access_token.expires_at or 0) > time.time()
        return pair.access_token if pair is not None and is_good else None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        for pair in self._pairs:
            if token.token in (pair.access, pair.refresh):
                pair.is_over = True

    async def introspect(self, request: Request) -> Response:
        """RFC 7662: to the client that the tokens were issued to, and to nobody else."""
        try:
            client = await ClientAuthenticator(self).authenticate_request(request)
        except AuthenticationError:
            return JSONResponse({"error": "invalid_client"}, 401, _UNKEPT)
        token = str((await request.form()).get("token", ""))
        found = await self.load_access_token(token) or await self.load_refresh_token(client, token)
        if found is None:
            return JSONResponse({"active": False}, headers=_UNKEPT)
        about = {"client_id": found.client_id, "scope": " ".join(found.scopes), "aud": found.resource}
        return JSONResponse({"active": True, "iss": self.issuer} | about, headers=_UNKEPT)

    async def describe(self, _: Request) -> Response:
        """RFC 8414."""
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "introspection_endpoint": f"{self.issuer}/introspect",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    def _issue(self, resource: str | None, scopes: list[str]) -> OAuthToken:
        pair = Pair(resource, scopes)
        self._pairs.append(pair)
        return OAuthToken(access_token=pair.access, refresh_token=pair.refresh, expires_in=_TOKEN_SECONDS)

    def _living(self, token: str) -> Pair | None:
        return next((pair for pair in self._pairs if token in (pair.access, pair.refresh) and not pair.is_over), None)


def app_of(desk: Desk, state: Path | None) -> Starlette:
    """Both servers."""
    training = TrainingServer(
        state,
        log_level="WARNING",
        auth_server_provider=desk,
        auth=AuthSettings(
            issuer_url=AnyHttpUrl(desk.issuer),
            resource_server_url=AnyHttpUrl(desk.resource),
            revocation_options=RevocationOptions(enabled=True),
            validate_token_resource=True,
        ),
    )
    app = training.streamable_http_app()
    described = Route(METADATA, desk.describe)  # before the SDK's own, which names no introspection
    app.router.routes[:0] = [described, Route("/introspect", desk.introspect, methods=["POST"])]
    return app


def main() -> None:
    """`python -m watchkeeper.exercise.members_server --listener FD --secret FILE --state FILE`."""
    parser = argparse.ArgumentParser(prog="members-server", description="An MCP server for members, for exercises.")
    parser.add_argument("--listener", type=int, required=True, help="a descriptor of a socket that listens already")
    parser.add_argument("--secret", type=Path, required=True, help="a file with the secret of the one client")
    parser.add_argument("--state", type=Path, help="a JSON file that says how to behave")
    chosen = parser.parse_args()
    with socket.socket(fileno=chosen.listener) as listener:
        host, port = listener.getsockname()
        desk = Desk(f"http://{host}:{port}", chosen.secret.read_text(encoding="utf-8").strip())
        config = uvicorn.Config(
            app_of(desk, chosen.state), log_level="warning", lifespan="on", timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
