"""What the pool asks of a credential, and how a credential says that there is none. No I/O."""

from __future__ import annotations

from typing import Protocol

from watchkeeper.gateway.upstream import Headers, Inbound, UpstreamFailed


class CredentialFailed(UpstreamFailed):
    """No credential could be got for the server, or the server did not accept it."""

    code = "credential_failed"


class CredentialMissing(CredentialFailed):
    """This client has nothing that the server would take; `hint` says what a person must do."""

    code = "credential_missing"


class Credential(Protocol):
    """Something that a server takes for an answer to "who are you"."""

    async def headers_for(self, inbound: Inbound) -> Headers:
        """The headers that carry it, for this message. Raises `CredentialFailed`, `CredentialMissing`."""
        ...

    def reject(self, inbound: Inbound, headers: Headers) -> bool:
        """The server did not take these headers (401). Whether asking again may bring others."""
        ...
