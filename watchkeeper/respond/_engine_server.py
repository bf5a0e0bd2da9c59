"""The engine's connections to a database server, which are waited for here.

The engine itself tries again for some errors, each time after a longer pause, up to a minute and a half; of others it
makes the end of a run. So a server that is away, and one that takes no writing for a while (a standby that is not
promoted yet), are waited for where a connection is made: whoever asks for one gets it when it is of use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, create_engine, event

from watchkeeper.core.servers import cause_of, link_settings, part_from_readers, takes_writing
from watchkeeper.respond.waiting import Interrupted

_NO_WRITING = "the database server takes no writing: it is a standby or read-only"
_HOURS = 24.0 * 3600
"""Seconds for which the engine's threads queue for a connection: those before them may wait for the server."""


def engine(url: str, sessions: str, wait: Callable[[str], bool], over: threading.Event) -> Engine:
    """`wait` is told why nothing can be written now, pauses, and says whether to try again.

    Once it is `over`, whoever still asks for a connection is interrupted: the engine's threads would try for ever.
    """
    made = create_engine(url, pool_pre_ping=True, pool_timeout=_HOURS, connect_args=link_settings(sessions))
    event.listen(made, "handle_error", part_from_readers)

    @event.listens_for(made, "do_connect")
    def connect(dialect, _record, arguments, parameters) -> Any:  # type: ignore[no-untyped-def]  # SQLAlchemy's own
        while True:
            if over.is_set():
                raise Interrupted
            try:
                link = dialect.connect(*arguments, **parameters)
            except dialect.loaded_dbapi.OperationalError as error:
                if not wait(f"the playbook engine has no connection: {cause_of(error)}"):
                    raise
                continue
            if takes_writing(link) or not wait(_NO_WRITING):
                return link
            link.close()

    return made
