"""Where the control state of a data folder is: a file of the folder, or a database on a PostgreSQL server.

A folder whose state is on a server keeps a note that says so, as the settings say it and so without a password. Who
knows the folder only finds the state by it; and who would open another state by mistake is refused: one in which
nothing is held looks like one in which nothing has to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.files import write_private
from watchkeeper.core.secrets import SecretReader, is_reference

STATE = "state.db"
"""The control state's file in the data folder."""
NOTE = "state.json"
"""Says that it is elsewhere."""
_WRITE_URL = 'write "postgresql://ROLE@HOST/DATABASE", "env:NAME" or "file:PATH"; see docs/guides/postgresql.md'
_SETTING = "state.url"


class StateSettings(msgspec.Struct, frozen=True):
    """Where the control state is kept."""

    url: Annotated[
        str,
        Meta(
            description="A PostgreSQL database for pins, orders, incidents, playbooks and all other control state: "
            "`postgresql://ROLE@HOST/DATABASE`, or a reference to one that has a password, `env:NAME` or `file:PATH`. "
            "Empty: a SQLite file in the data folder."
        ),
    ] = ""


class _Note(msgspec.Struct, frozen=True):
    url: str


def is_there(data_dir: Path) -> bool:
    """Whether a control state was ever opened by this folder."""
    return (data_dir / STATE).is_file() or (data_dir / NOTE).is_file()


def noted(data_dir: Path) -> StateSettings:
    """Where the folder's note says that its state is. Raises `Misconfigured` when it cannot be read."""
    path = data_dir / NOTE
    try:
        return StateSettings(msgspec.json.decode(path.read_bytes(), type=_Note).url)
    except FileNotFoundError:
        return StateSettings()
    except NotADirectoryError:
        return StateSettings()
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(
            f"cannot read where the control state is: {path}: {error}", hint="restore it, or name state.url anew in it"
        ) from error


def note(data_dir: Path, settings: StateSettings) -> None:
    """Keep where the state is, once it was opened there."""
    if settings.url and noted(data_dir) != settings:
        write_private(data_dir / NOTE, msgspec.json.encode(_Note(settings.url)) + b"\n")


def refuse_another(data_dir: Path, settings: StateSettings) -> None:
    """Raises `Misconfigured` when the folder's state is elsewhere than the settings say."""
    was = noted(data_dir)
    if was.url and not settings.url:
        raise Misconfigured(
            f"the control state of {data_dir} is in a database ({was.url}), and the settings name a file",
            hint=f"name it as state.url; to begin without what it holds, remove {data_dir / NOTE}",
        )
    if settings.url and not was.url and (data_dir / STATE).is_file():
        raise Misconfigured(
            f"the control state of {data_dir} is in its {STATE}, and the settings name a database",
            hint=f"leave state.url out; to begin without what the file holds, move {data_dir / STATE} away",
        )


def url_of(data_dir: Path, settings: StateSettings, environment: Mapping[str, str]) -> str:
    """The URL to open, as SQLAlchemy takes it. Raises `Misconfigured`, and never says what a secret holds."""
    if not settings.url:
        return f"sqlite:///{data_dir / STATE}"
    said = settings.url
    if is_reference(said):
        said = SecretReader(environment).read(_SETTING, said).reveal()
    elif _has_password(said):
        hint = 'put the whole URL where "env:NAME" or "file:PATH" names it'
        raise Misconfigured(f"{_SETTING}: a password is written by reference", hint=hint)
    return _for_sqlalchemy(said)


def _has_password(url: str) -> bool:
    from sqlalchemy import make_url  # noqa: PLC0415 — for who has a server only
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 — as above

    try:
        read = make_url(url)
    except (ArgumentError, ValueError):
        return "@" in url
    return bool(read.password) or any("password" in name.lower() for name in read.query)


def _for_sqlalchemy(said: str) -> str:
    from sqlalchemy import make_url  # noqa: PLC0415 — as above
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 — as above

    try:
        url = make_url(said)
    except (ArgumentError, ValueError):
        raise Misconfigured(f"{_SETTING}: this is no URL of a database", hint=_WRITE_URL) from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise Misconfigured(f"{_SETTING}: {url.drivername!a} is not known here", hint=_WRITE_URL)
    if not url.database:
        raise Misconfigured(f"{_SETTING}: the URL names no database", hint=_WRITE_URL)
    if not _is_near(url.host, url.query) and "sslmode" not in url.query:
        url = url.update_query_dict({"sslmode": "require"})  # libpq's own default would go on without TLS
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _is_near(host: str | None, query: Mapping[str, object]) -> bool:
    """Whether the server is one of this machine: nobody between could listen."""
    hosts = query.get("host", ()) if host is None else host
    said = (hosts,) if isinstance(hosts, str) else tuple(hosts) if isinstance(hosts, tuple) else ()
    every = [one for several in said for one in str(several).split(",")]
    return all(one.startswith("/") or one in ("localhost", "127.0.0.1", "::1", "") for one in every)
