"""Whether a person's data is still there: every store looked at, every log verified, the report signed.

Reads only and holds no lock, so anyone with the data folder may ask, also while the service runs.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from watchkeeper.app.erasing import DONE, holds_on
from watchkeeper.app.lakes import places_of
from watchkeeper.app.settings import current_operator, load
from watchkeeper.app.state import database_at
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, NotFound, WatchkeeperError
from watchkeeper.core.state import is_there, noted
from watchkeeper.events import Event, JournalReader
from watchkeeper.events.erasure.ground import Underway
from watchkeeper.events.erasure.inclusion import inclusions_of
from watchkeeper.events.erasure.journal import logs_of
from watchkeeper.events.erasure.lake import Listing, in_store
from watchkeeper.events.erasure.looking import is_absent, look
from watchkeeper.events.erasure.marks import Marks
from watchkeeper.events.erasure.model import UNREAD, Absence, Place, checked_subject
from watchkeeper.events.erasure.rows import Tables
from watchkeeper.events.erasure.statement import signed

_WRITERS = ("watch", "cli", "gateway")
"""Whose key signs: the first that there is."""
TABLES = Tables(
    own={
        "gateway_approvals": "its requests for approval, with their parameters",
        "detect_memories": "what detection counted of it, and had not decided yet",
        "gateway_grants": "what persons granted it, with the sealed tokens",
    },
    kept={
        "gateway_clients": "who may connect, and whose token was revoked: `watchkeeper clients revoke`",
        "gateway_tasks": "whose a running task is, so that nobody else gets its result; at most seven days",
        "gateway_endings": "what of it was ended, by whose order, so that it is ended once; at most thirty days",
        "gateway_flow": "what it read lately, so that it cannot carry it out; as long as [flow] says",
        "gateway_values": "that its placeholders are gone, for other workers; at most an hour",
        "gateway_revocations": "that its tokens are refused, until that is lifted: `watchkeeper revocations list`",
        "gateway_orders": "orders that contain it, and were lifted or are in force",
        "operators_persons": "who may act on the product, and since when: `watchkeeper operators revoke`",
        "operators_tokens": "an operator's tokens, hashed",
        "web_sessions": "an operator's sessions, until they end",
        "web_links": "links to the console, hashed",
    },
)
OUT_OF_REACH = (
    "backups of the data folder: keep them no longer than you must; with `keys/` they can bring records back",
    "proofs, exports and copies that were handed out, and what sinks sent elsewhere",
    "blocks of the disk that the file system freed",
)


def absence_of(data_dir: Path, subject: str, erasure: str = "", clock: Clock | None = None) -> dict[str, Any]:
    """The signed report. Without an `erasure`, the subject's last one is found by its mark, if there was any.

    Raises `Invalid` for what is no subject or not the erasure's, `NotFound` for an erasure that there was not.
    """
    subject = checked_subject(subject)
    mark = Marks(data_dir).of(subject)
    done = _recorded(data_dir, erasure, mark) if erasure else _marked(data_dir, mark)
    before = {writer: (int(at["size"]), str(at["root"])) for writer, at in done.get("before", {}).items()}
    places, logs = _places(data_dir, subject), logs_of(data_dir, before)
    is_under_way = any(pending.subject == subject for pending in Underway(data_dir).all())
    is_intact = all(log["code"] == 0 and log.get("is_unchanged", True) for log in logs)
    is_intact &= set(before) <= {log["writer"] for log in logs}
    inclusions, why_none = _inclusions(data_dir, done.get("positions", {}))
    absence = Absence(
        subject=subject,
        at=(clock or SystemClock()).now(),
        by=current_operator(),
        is_absent=is_absent(places) and is_intact and not is_under_way and not why_none,
        is_under_way=is_under_way,
        places=tuple(places),
        logs=logs,
        erasure=done,
        inclusions=inclusions,
        why_none=why_none,
        out_of_reach=OUT_OF_REACH,
    )
    return signed(data_dir, _signer(data_dir), absence)


def _inclusions(data_dir: Path, positions: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], str]:
    try:
        return inclusions_of(data_dir, positions), ""
    except WatchkeeperError as error:
        return (), error.reason


def planned(data_dir: Path, subject: str) -> dict[str, Any]:
    """What an erasure would find, and what forbids it. Raises `Invalid`; nothing is changed."""
    subject = checked_subject(subject)
    _require(data_dir)
    holds = holds_on(data_dir, subject)
    return {
        "subject": subject,
        "holds": [{"name": hold.name, "reason": hold.reason, "by": hold.by} for hold in holds],
        "places": _places(data_dir, subject),
        "underway": [one.id for one in Underway(data_dir).all()],
    }


def _places(data_dir: Path, subject: str) -> list[Place]:
    """What is where, in the lake's object store too; a store that cannot be looked into is said to be unread."""
    listings: dict[str, Listing] = {}
    unread: list[Place] = []
    for url, place in places_of(data_dir, load(None, data_dir).settings.lake).items():
        name = f"lake at {url}"
        if isinstance(place, str):
            unread.append(Place(store=name, verdict=UNREAD, method="none", why=place))
        else:
            listings[name] = in_store(place.everything, place.copy)
    if not noted(data_dir).url:
        return look(data_dir, subject, TABLES, listings) + unread
    try:
        server = database_at(data_dir)
    except WatchkeeperError as error:
        unread.append(Place(store="control state", verdict=UNREAD, method="none", why=error.reason))
        return look(data_dir, subject, TABLES, listings) + unread
    with closing(server):
        return look(data_dir, subject, TABLES, listings, server) + unread


def erasures(data_dir: Path) -> list[dict[str, Any]]:
    """Every erasure that was finished, as recorded, and those under way; names stand in neither."""
    _require(data_dir)
    found = [{**event.body, "at": event.time, "by": event.actor, "state": "done"} for event in _events(data_dir)]
    under = [{"erasure": one.id, "at": one.at, "by": one.by, "state": "under way"} for one in Underway(data_dir).all()]
    return found + under


def _marked(data_dir: Path, mark: str) -> dict[str, Any]:
    """The last erasure of that mark, with the ids of those before it; empty when there was none."""
    found = [event for event in _events(data_dir) if mark and event.body.get("mark") == mark]
    found.sort(key=lambda event: event.time)
    if not found:
        return {}
    return _told(found[-1]) | {"earlier": [event.body["erasure"] for event in found[:-1]]}


def _told(event: Event) -> dict[str, Any]:
    return {**event.body, "at": event.time, "by": event.actor, "event": event.id}


def _recorded(data_dir: Path, erasure: str, mark: str) -> dict[str, Any]:
    for event in _events(data_dir):
        if event.body.get("erasure") == erasure:
            if mark and event.body.get("mark") not in (None, "", mark):
                raise Invalid(
                    f"the erasure {erasure} was about somebody else",
                    hint="leave --erasure out",
                )
            return _told(event)
    raise NotFound(f"no erasure {erasure} was finished here", hint="`watchkeeper privacy erasures` lists them")


def _events(data_dir: Path) -> list[Event]:
    reader, cursor, found = JournalReader(data_dir), dict[str, int](), list[Event]()
    try:
        while records := reader.read(cursor, limit=10_000):
            for record in records:
                cursor[record.position.writer] = record.position.index + 1
                if record.event is not None and record.event.kind == DONE:
                    found.append(record.event)
    finally:
        reader.close()
    return found


def _signer(data_dir: Path) -> str:
    there = [writer for writer in _WRITERS if (data_dir / "keys" / f"journal-{writer}.pem").exists()]
    return there[0] if there else _WRITERS[0]


def _require(data_dir: Path) -> None:
    if not is_there(data_dir) and not (data_dir / "journal").is_dir():
        raise NotFound(f"nothing ever ran on {data_dir}", hint="name the folder with --data")
