"""An estate for scripted incidents alone: its settings, and a server for clients that a person lets act for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.app.grants import sign_in
from watchkeeper.app.settings import Loaded, load
from watchkeeper.core.content import content_folder
from watchkeeper.core.files import make_private_folder, write_private
from watchkeeper.exercise.incidents.ports import Held
from watchkeeper.exercise.members import CLIENT_ID, Members, agree
from watchkeeper.exercise.stage import MEMBERS, training_state
from watchkeeper.gateway.credentials.signin.login import Invitation

_SETTINGS = """# An estate for scripted incidents: ports that are free, calls that do not wait
# long for people, policies that let something through, and a server that asks whom its
# callers act for.
[gateway]
port = 0

[console]
port = 0

[approvals]
wait_seconds = 1

[policy]
folders = [{folder}]

[fetch]
allow_hosts = [{host}]

[servers.{name}]
url = {url}
credential = "user_grant"

[servers.{name}.oauth]
issuer = {issuer}
client_id = {client}
client_secret = {secret}
"""


@dataclass(frozen=True)
class Stage:
    """Settings to start it with, and what runs beside it."""

    loaded: Loaded
    members: Members

    def sign_in(self, client: str) -> Held:
        """A person lets this client act for them at the server for members; the tokens that came of it."""
        invited: list[Invitation] = []
        _, granted = sign_in(self.loaded, MEMBERS, client, invited.append, lambda: agree(invited[-1].url))
        return Held(granted.token.access.reveal(), granted.token.refresh.reveal())


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """An estate that may be started, with its data in `folder`/data; what runs beside it ends with the context."""
    data_dir = folder / "data"
    state = training_state(data_dir)
    make_private_folder(state.parent)
    with Members(state.parent, state) as members:
        named = {
            "folder": str(content_folder("exercises") / "careless"),
            "host": members.issuer.partition("://")[2],
            "url": members.url,
            "issuer": members.issuer,
            "client": CLIENT_ID,
            "secret": f"file:{members.secret_file}",
        }
        text = _SETTINGS.format(name=MEMBERS, **{name: json.dumps(value) for name, value in named.items()})
        path = folder / "stage.toml"
        write_private(path, text.encode())
        yield Stage(load(path, data_dir), members)
