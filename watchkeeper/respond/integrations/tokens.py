"""Tokens ended at the authorization server that issued them: revocation by RFC 7009, and by RFC 7662 whether it held.

A server may answer 200 for any token, known to it or not (RFC 7009, section 2.2), so that only introspection proves
anything; what is no answer of RFC 7662 is no proof, whatever its status. A token is in the request's body only, and in
nothing that is said or kept.
"""

from __future__ import annotations

import base64
from urllib.parse import quote_plus, urlencode

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.errands import Rejected
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Answer, Wire

HINTS = ("access_token", "refresh_token")


class Tokens:
    """`TokenIssuer` of one authorization server. Blocks; not for an event loop."""

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        self._client = settings.username
        self._secret = ground.read_secret(f"{where}.secret", settings.secret)
        if not self._client:
            raise Misconfigured(f"{where}.username: it asks as a client", hint="write the client's id")
        self._where, self._settings, self._ground = where, settings, ground
        wire = Wire(where, settings, ground, [self._secret])
        self._revoke = wire.check("url", settings.url)
        self._introspect = settings.introspect_url and wire.check("introspect_url", settings.introspect_url)

    def revoke(self, token: Secret, hint: str = "access_token") -> None:
        if hint not in HINTS:
            raise Rejected(f"there is no kind of token called {hint!a}", hint=f"choose from {', '.join(HINTS)}")
        self._ask(self._revoke, token, hint)

    def is_active(self, token: Secret) -> bool | None:
        if not self._introspect:
            return None
        said = self._ask(self._introspect, token).json
        active = said.get("active") if isinstance(said, dict) else None
        return active if isinstance(active, bool) else None

    def _ask(self, url: str, token: Secret, hint: str = "") -> Answer:
        if not token:
            raise Rejected("there is no token")
        fields = {"token": token.reveal()} | ({"token_type_hint": hint} if hint else {})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._secret:  # RFC 6749, section 2.3.1: both parts are form-encoded first
            pair = f"{quote_plus(self._client)}:{quote_plus(self._secret.reveal())}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            fields["client_id"] = self._client
        wire = Wire(self._where, self._settings, self._ground, [self._secret, token])
        return wire.send_bytes("POST", url, urlencode(fields).encode(), headers)
