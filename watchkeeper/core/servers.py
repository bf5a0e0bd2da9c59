"""How connections to a database server are made and given up, for the control state and for whoever keeps a state of
its own beside it. Needs no driver; what a server's errors come to for callers is `_postgresql`'s business.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ExceptionContext

READ_ONLY = "25006"
"""SQLSTATE: nothing is written here (PostgreSQL manual, appendix A)."""
_IDLE_MS = 10_000
"""After which a server ends a session that sleeps inside a transaction: its process was stopped."""
_CONNECT_SECONDS = 5


def link_settings(sessions: str = "", options: str = "") -> dict[str, Any]:
    """What the driver is told: whose a connection is, and when one that has gone silent is given up."""
    named = {"application_name": sessions} if sessions else {}
    return named | {
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "options": f"-c idle_in_transaction_session_timeout={_IDLE_MS} {options}".strip(),
    }


def state_of(error: BaseException | None) -> str:
    """The SQLSTATE of an error; empty for one that has none, such as those of connecting."""
    return str(getattr(error, "sqlstate", None) or "")


def cause_of(error: BaseException | None) -> str:
    """What a driver says of an error, in a line; without its guess at why nobody listens there."""
    lines = (line.strip().replace("\t", " ") for line in str(error or "").splitlines())
    return "; ".join(line for line in lines if line and not line.startswith("Is the server running"))


def part_from_readers(context: ExceptionContext) -> None:
    """Have connections to a server that takes no writing made anew: the next ones may lead to another server, or to one
    of another mind, and these would stay as they are for as long as the process lives."""
    if state_of(context.original_exception) == READ_ONLY:
        context.is_disconnect = True


def takes_writing(link: Any) -> bool:
    """Whether what this connection of the driver's leads to takes any."""
    row = link.execute("SHOW transaction_read_only").fetchone()
    link.rollback()
    return bool(row[0] == "off")
