"""Hunts as the console's port wants them: run by whoever looks, kept and acted on by whoever may.

The acts are those of the command line (`hunting`), asked in the name of who is in; the policies about operators are
asked first, and a no is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.admission import Access
from watchkeeper.app.hunting import Hunting, book_of
from watchkeeper.app.lakes import lake_in, search_in
from watchkeeper.app.platform import Platform
from watchkeeper.app.sketching import sketched
from watchkeeper.core.errors import Conflict, Denied, Invalid, Misconfigured, NotFound, Unavailable
from watchkeeper.detect.hunts.loading import find
from watchkeeper.detect.hunts.model import Hunt
from watchkeeper.detect.hunts.own import known_hunts, text_of
from watchkeeper.detect.hunts.own import own_folder as own_hunts
from watchkeeper.detect.hunts.parameters import from_words, values
from watchkeeper.detect.hunts.standing.changes import digest
from watchkeeper.detect.hunts.standing.model import LEVELS, Run, Schedule, period
from watchkeeper.events.lake.sql.model import Answer, Limits, Range
from watchkeeper.events.query.language import parse_time
from watchkeeper.operators import Acting
from watchkeeper.web.detection import Asked, Drafted, HuntRow, Wish

_LIMITS = Limits(rows=200, seconds=20.0, memory=1024**3)
_KEEP = "keep_hunts"
_RAISED = "detect.alert.raised"
_TENANT = "default"
_TURN = 5.0
"""Seconds to wait for another's hunt."""


class HuntsView:
    """One query at a time: a page that is loaded again and again must not fill the machine."""

    def __init__(self, platform: Platform) -> None:
        self._on = platform
        self._book = book_of(platform)
        self._acts = Hunting(platform)
        self._access = Access(platform)
        self._turn = threading.Lock()

    def list(self) -> Sequence[HuntRow]:
        schedules = {one.hunt: one for one in self._book.schedules() if one.tenant == _TENANT}
        last: dict[str, Run] = {}
        for run in self._book.runs(limit=200):
            last.setdefault(run.hunt, run)
        return [
            HuntRow(hunt, self._is_own(hunt.source), schedules.get(name), last.get(name))
            for name, hunt in self._hunts().items()
        ]

    def show(self, name: str) -> HuntRow:
        self._find(name)
        return next(row for row in self.list() if row.hunt.name == name)

    def runs(self, name: str) -> Sequence[Run]:
        return self._book.runs(name)

    def run(self, name: str, said: Mapping[str, str], since: str) -> Answer:
        return self._answer(Asked(name, said, since))

    def may_keep(self, acting: Acting) -> bool:
        try:
            self._access.check(acting, _KEEP)
        except Denied:
            return False
        return True

    def schedule(self, acting: Acting, asked: Asked, wish: Wish) -> None:
        self._access.require(acting, _KEEP)
        hunt = self._find(asked.hunt)
        given = from_words(hunt, _words(hunt, asked.said))
        wanted = Schedule(
            hunt=hunt.name,
            tenant=_TENANT,
            every=period(wish.every),
            parameters=given,
            range=asked.since,
            alert=wish.alert,
        )
        self._acts.schedule({"schedule": msgspec.to_builtins(wanted), "by": acting.actor})

    def unschedule(self, acting: Acting, name: str) -> None:
        self._access.require(acting, _KEEP)
        self._acts.unschedule({"hunt": name, "tenant": _TENANT, "by": acting.actor})

    def escalate(self, acting: Acting, asked: Asked, digest: str, said: Mapping[str, str]) -> str:
        self._access.require(acting, _KEEP)
        row = _named(self._answer(asked), (digest,))[0]
        wanted = {"hunt": asked.hunt, "row": row, "digest": digest, "level": said.get("level", "")}
        done = self._acts.escalate(wanted | {"tenant": _TENANT, "by": acting.actor, "note": said.get("note", "")})
        return str(done["alert"])

    def has_raised(self, name: str, alert_id: str) -> bool:
        with suppress(NotFound):
            event = search_in(self._on.data_dir).find(alert_id, _TENANT)[1]
            return event.kind == _RAISED and event.body.get("rule") == f"hunt:{name}"
        return False

    def draft(self, acting: Acting, asked: Asked, digests: Sequence[str], level: str) -> Drafted:
        self._access.require(acting, _KEEP)
        if level not in LEVELS[1:]:
            raise Invalid(f"there is no level {level[:20]!r}", hint=f"one of {', '.join(LEVELS[1:])}")
        hunt, found = self._find(asked.hunt), self._answer(asked)
        chosen = _named(found, digests)
        with self._in_turn():
            text = sketched(search_in(self._on.data_dir), hunt, found, chosen, level)
        return text

    def save(self, acting: Acting, name: str, text: str, *, force: bool) -> None:
        self._access.require(acting, _KEEP)
        with self._in_turn():
            self._acts.save({"name": name, "text": text, "force": force, "by": acting.actor})

    def text(self, name: str) -> str:
        return text_of(self._on.data_dir, name)

    def remove(self, acting: Acting, name: str) -> None:
        self._access.require(acting, _KEEP)
        self._acts.remove({"hunt": name, "by": acting.actor})

    def _answer(self, asked: Asked) -> Answer:
        hunt = self._find(asked.hunt)
        lake = lake_in(self._on.data_dir, _TENANT)
        given = values(hunt, from_words(hunt, _words(hunt, asked.said)))
        prepared = lake.prepare(hunt.sql, self._range(hunt, asked.since), dict(given))
        with self._in_turn():
            return lake.run(prepared, _LIMITS)

    def _range(self, hunt: Hunt, since: str) -> Range:
        span = since or hunt.range
        return Range(None if span == "all" else parse_time(span, self._on.clock.now()), None)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=_TURN):
            raise Unavailable("another hunt is being run", hint="ask again in a moment")
        try:
            yield
        finally:
            self._turn.release()

    def _hunts(self) -> dict[str, Hunt]:
        try:
            return known_hunts(self._on.data_dir)
        except Misconfigured as error:  # a file somebody put there by hand
            raise Unavailable(error.reason, hint=error.hint) from error

    def _find(self, name: str) -> Hunt:
        return find(self._hunts(), name)

    def _is_own(self, source: str) -> bool:
        return Path(source).is_relative_to(own_hunts(self._on.data_dir))


def _words(hunt: Hunt, said: Mapping[str, str]) -> list[str]:
    return [
        f"{key}={part}"
        for key, value in said.items()
        if value
        for part in (value.splitlines() if hunt.parameters[key].type == "texts" else [value])
        if part.strip()
    ]


def _named(found: Answer, digests: Sequence[str]) -> list[dict[str, Any]]:
    """The rows that were chosen, in a result that may be newer than the one they were chosen from."""
    types = dict(zip(found.columns, found.types, strict=True))
    rows = [dict(row) for row in found.records()]
    named = [(digest(row, types), row) for row in rows]
    if not digests:
        raise Invalid("no row is chosen", hint="choose at least one row")
    if missing := set(digests) - {name for name, _ in named}:
        what = "that row is" if len(missing) == 1 else f"{len(missing)} of these rows are"
        raise Conflict(f"{what} not found any more", hint="run the hunt again, and choose from what it finds now")
    return [row for name, row in named if name in digests]
