"""The one place that opens the control state, by the settings or by what the data folder keeps of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from watchkeeper.app.fresh import lay_down
from watchkeeper.app.revision import is_current, is_empty, refuse_newer, version_of
from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core import state
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import make_private_folder
from watchkeeper.core.state import StateSettings


def database_of(loaded: Loaded) -> Database:
    """The state that the settings name, as it is: nothing is made or changed in it. Raises `Misconfigured`."""
    return database_at(loaded.data_dir, loaded.settings.state)


def database_at(data_dir: Path, settings: StateSettings | None = None) -> Database:
    """The same; without settings, the state that the folder was last opened with. Raises `Misconfigured`."""
    if settings is None:
        settings = state.noted(data_dir)
    else:
        state.refuse_another(data_dir, settings)
    if not settings.url:
        return Database.at(data_dir / state.STATE)
    return Database(state.url_of(data_dir, settings, environment()))


def ready(data_dir: Path, settings: StateSettings | None = None) -> Database:
    """The same with its tables brought up to date, and the folder's note made.

    Raises `Misconfigured` when a newer version wrote the tables, or when the database cannot be the one that the folder
    had; `Unavailable` when it cannot be reached.
    """
    make_private_folder(data_dir)
    database = database_at(data_dir, settings)
    try:
        _bring_up_to_date(database, data_dir)
        if settings is not None:
            state.note(data_dir, settings)
    except BaseException:
        database.close()
        raise
    return database


def check_state(loaded: Loaded) -> None:
    """Whether a server that the settings name would do; a file is not looked at. Nothing is changed.

    Raises as `ready` does.
    """
    if not loaded.settings.state.url:
        state.refuse_another(loaded.data_dir, loaded.settings.state)
        return
    with closing(database_of(loaded)) as database:
        database.check_server()
        _refuse_lost(database, loaded.data_dir)
        with database.read() as session:
            refuse_newer(version_of(session))


def _refuse_lost(database: Database, data_dir: Path) -> None:
    if database.is_server and state.noted(data_dir).url and is_empty(database):
        raise Unavailable(
            f"the database has no tables, and the control state of {data_dir} was in it",
            hint=f"restore it, or name the right one; to begin without it, remove {data_dir / state.NOTE}",
        )


def _bring_up_to_date(database: Database, data_dir: Path) -> None:
    if is_current(database):
        return
    database.check_server()
    _refuse_lost(database, data_dir)
    if lay_down(database) and is_current(database):
        return
    from watchkeeper.app.migrate import migrate  # noqa: PLC0415 — a second of imports, needed once per version

    migrate(database)
