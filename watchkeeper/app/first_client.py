"""The client that a first start makes: its token is minted once and lies in a private file, which is the only place.

`up` writes it into a snippet for the client's own settings; `gateway` beside it, bare, for programs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.identity import Identities

FIRST_CLIENT = "my-agent"
"""Its name."""


def snippet_file(data_dir: Path) -> Path:
    """Where the snippet lies; its folder is made."""
    return make_private_folder(data_dir / "clients") / f"{FIRST_CLIENT}.json"


def token_file(data_dir: Path) -> Path:
    """Where the bare token lies; its folder is made."""
    return make_private_folder(data_dir / "clients") / f"{FIRST_CLIENT}.token"


def token_in_snippet(path: Path) -> str:
    """The token of a snippet; empty where there is none."""
    try:
        servers = msgspec.json.decode(path.read_bytes())["mcpServers"]
        header = next(iter(servers.values()))["headers"]["Authorization"]
        return str(header).removeprefix("Bearer ")
    except (OSError, msgspec.DecodeError, KeyError, StopIteration, TypeError, AttributeError):
        return ""


def ensure_token(data_dir: Path, clients: Identities, by: str) -> str:
    """A token of the first client that works, in its file; empty when an operator has revoked it: that stays so.

    One that is in force but whose file is lost is replaced, for nobody can use it. Raises `Unavailable`.
    """
    file = token_file(data_dir)
    for token in (_read(file), token_in_snippet(snippet_file(data_dir))):
        if token and clients.principal_of(b"Bearer " + token.encode()) == AGENT + FIRST_CLIENT:
            write_private(file, token.encode() + b"\n")
            return token
    known = [client for client in clients.clients() if client.name == FIRST_CLIENT]
    if known and known[-1].revoked_at:
        return ""
    if known:
        clients.revoke(FIRST_CLIENT, by, "its token's file is lost")
    token = clients.mint(FIRST_CLIENT, by)
    write_private(file, token.encode() + b"\n")
    return token


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
