"""The acts about operators: who they are, their roles, their tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from watchkeeper.app.admission import ACTING
from watchkeeper.core.errors import Denied
from watchkeeper.operators import Acting

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


class Staff:
    """The acts, on an open platform."""

    def __init__(self, platform: Platform) -> None:
        self._roster = platform.roster
        self._tokens = platform.tokens
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "operators.list": self.list,
            "operators.invite": self.invite,
            "operators.role": self.change,
            "operators.revoke": self.revoke,
            "operators.tokens": self.list_tokens,
            "operators.token": self.mint,
            "operators.end_token": self.end,
        }

    def list(self, _: dict[str, Any]) -> Any:
        return list(self._roster.list())

    def invite(self, asked: dict[str, Any]) -> Any:
        return self._roster.invite(asked["name"], asked["role_name"], asked["by"])

    def change(self, asked: dict[str, Any]) -> Any:
        return self._roster.change(asked["name"], asked["role_name"], asked["by"])

    def revoke(self, asked: dict[str, Any]) -> Any:
        return self._roster.revoke(asked["name"], asked["by"])

    def list_tokens(self, asked: dict[str, Any]) -> Any:
        return list(self._tokens.list(asked.get("name", "")))

    def mint(self, asked: dict[str, Any]) -> Any:
        acting: Acting = asked[ACTING]
        if acting.scopes is not None and not set(asked["scopes"]) <= set(acting.scopes):
            raise Denied("a token makes no token that is good for more than itself", rule="operators.scope")
        secret, token = self._tokens.mint(asked["name"], asked["scopes"], asked["seconds"], asked["by"])
        return msgspec.structs.asdict(token) | {"token": secret}

    def end(self, asked: dict[str, Any]) -> Any:
        return self._tokens.end(asked["id"], asked["by"])
