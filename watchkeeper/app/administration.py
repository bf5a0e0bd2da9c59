"""Administration: what an operator asks for on the command line.

The running watch is asked, over its socket; only when none runs does this process open the folder itself, under the log
`cli`. Either way the same function runs and the act is journalled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from watchkeeper.app.settings import current_operator, data_folder, operator_token
from watchkeeper.core import control
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.core.files import socket_path
from watchkeeper.core.state import is_there

WATCH = "watch"
CONSOLE = "console"
LINK = "console.link"


class Administration:
    """Asks whoever can answer."""

    def __init__(self, data_dir: Path, credential: str = "") -> None:
        self._data_dir = data_dir
        self._credential = credential
        self.patience = 30.0
        """Seconds that the watch may take to answer."""
        self.was_alone = False
        """Whether the last act was done in this process, since no watch runs."""

    @classmethod
    def at(cls, data: Path | None) -> Self:
        return cls(data_folder(data))

    @classmethod
    def by_token(cls, data: Path | None, token_file: Path | None) -> Self:
        """Acts under the name of a token's owner where there is a token. Raises `Misconfigured`."""
        return cls(data_folder(data), operator_token(token_file))

    def call(self, act: str, /, **arguments: Any) -> Any:
        """Do `act`. Raises whatever it raises, and `NotFound` when nothing ever ran on this folder."""
        arguments.setdefault("by", current_operator())
        if act == LINK:
            return self._link(arguments)
        if self._credential:
            arguments["credential"] = self._credential
        try:
            return control.ask(socket_path(self._data_dir, WATCH), act, arguments, timeout=self.patience)
        except control.NoService:
            self.was_alone = True
            return self._alone(act, arguments)

    def _link(self, arguments: dict[str, Any]) -> Any:
        try:
            return control.ask(socket_path(self._data_dir, CONSOLE), "link", arguments)
        except control.NoService as error:
            raise NotFound(
                f"no console runs on {self._data_dir}",
                hint="start it with `watchkeeper up`, or name the folder with --data",
            ) from error

    def _alone(self, act: str, arguments: dict[str, Any]) -> Any:
        if not is_there(self._data_dir):
            raise NotFound(
                f"nothing ever ran on {self._data_dir}",
                hint="start with `watchkeeper up`, or name the folder with --data",
            )
        from watchkeeper.app.desk import alone  # noqa: PLC0415 — heavy, and only needed while no service runs

        return alone(self._data_dir, act, arguments)


def mint_anew(administration: Administration, client: str) -> str:
    """A token for a client, its old one revoked if it had one."""
    try:
        return str(administration.call("clients.add", name=client)["token"])
    except Conflict:
        administration.call("clients.revoke", name=client)
        return str(administration.call("clients.add", name=client)["token"])
