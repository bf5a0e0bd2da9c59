"""Rendering: the template environment, the frame around every page, and answers that may be missing.

A page is `templates/<name>.html` inside the frame. Asked with `?live=1` it is sent without the frame, as the parts that
`static/live.js` puts in place of the old ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.enums import MediaType

from watchkeeper.core.clock import Clock, to_iso
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.web import commands, reading, shapes, visible
from watchkeeper.web.model import Health, IncidentRow
from watchkeeper.web.operators import Operator
from watchkeeper.web.ports import Services
from watchkeeper.web.settings import ConsoleSettings

_HERE = Path(__file__).resolve().parent
STATIC = {
    "console.css": "text/css",
    "keys.js": "text/javascript",
    "live.js": "text/javascript",
    "mark.svg": "image/svg+xml",
}
T = TypeVar("T")
PageRequest = Request[Operator | None, Any, Any]


@dataclass(frozen=True)
class Known(Generic[T]):
    """An answer, or why there is none. `value` is then the empty one, and the page must say so."""

    value: T
    failure: str = ""


def known(ask: Callable[[], T], empty: T) -> Known[T]:
    """Ask a service; what it cannot tell becomes words on the page, never a blank that looks fine."""
    try:
        return Known(ask())
    except (Unavailable, NotFound) as error:
        return Known(empty, f"{error.reason}. {error.hint}".rstrip(". ") + ".")


def listed(ask: Callable[[], Sequence[T]]) -> Known[Sequence[T]]:
    """`known` for what comes as a list."""
    nothing: Sequence[T] = ()
    return known(ask, nothing)


@dataclass(frozen=True)
class Console:
    """What the pages have at hand."""

    services: Services
    settings: ConsoleSettings
    clock: Clock

    @cached_property
    def assets(self) -> dict[str, bytes]:
        return {name: (_HERE / "static" / name).read_bytes() for name in STATIC}

    @cached_property
    def environment(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        digest = {name: hashlib.sha256(data).hexdigest()[:12] for name, data in self.assets.items()}
        told_nothing = self.services.is_default_data
        shared: dict[str, Any] = {
            "static": lambda name: f"/static/{name}?v={digest[name]}",
            "link": commands.link,
            "command": partial(commands.command, data="" if told_nothing else self.services.data_dir),
            "plain_command": commands.command,
            "state": shapes.state,
            "severity": shapes.severity,
            "span_words": shapes.span_words,
            "axis_words": shapes.axis_words,
            "reading": reading,
        }
        environment.globals |= shared
        environment.filters |= {
            "visible": visible.visible,
            "visible_block": visible.visible_block,
            "visible_text": visible.visible_text,
            "cut": visible.shortened,
            "clock_time": shapes.clock_time,
            "full_time": shapes.full_time,
            "iso": lambda moment: to_iso(moment) if moment and 0 < moment < 253_402_300_800_000_000 else "",
            "duration": shapes.duration,
            "number": shapes.number,
            "size": shapes.size,
            "short": shapes.short_fingerprint,
        }
        return environment

    def page(self, request: PageRequest, name: str, title: str, **values: Any) -> Response[str]:
        """The page `name`, in its frame or, with `?live=1`, as live parts. Blocks."""
        waiting = known(self.waiting, 0)
        return self._render(request, name, title, self.health(), values | {"waiting": waiting})

    def waiting(self) -> int:
        """What waits for a person: calls and runs. Raises `Unavailable`."""
        runs = self.services.playing.waiting() if self.services.playing is not None else 0
        return self.services.inbox.waiting() + runs

    def plain_page(
        self, request: PageRequest, name: str, title: str, status: int = 200, **values: Any
    ) -> Response[str]:
        """A page that asks no service: the door, and errors. Does not block."""
        response = self._render(request, name, title, None, values)
        response.status_code = status
        return response

    def _render(
        self, request: PageRequest, name: str, title: str, health: Health | None, values: dict[str, Any]
    ) -> Response[str]:
        now = self.clock.now()
        is_live = request.query_params.get("live") == "1"
        waiting = values.pop("waiting", None)
        template = self.environment.get_template("live.html" if is_live else "frame.html")
        html = template.render(
            values,
            page=name,
            title=title,
            now=now,
            until=lambda moment: shapes.until(moment, now),
            short_time=lambda moment: shapes.short_time(moment, now),
            ago=lambda moment: shapes.ago(moment, now),
            operator=request.scope.get("user"),
            health=health,
            waiting=waiting,
            data_dir=self.services.data_dir,
        )
        return Response(html, media_type=MediaType.HTML)

    def health(self) -> Health:
        """One word for the whole, on every page; bad news and missing news win over good news."""
        incidents = listed(self.services.incidents.list)
        writers = listed(self.services.journal.writers)
        bad = [writer for writer in writers.value if writer.verified in {"tampered", "unusable"}]
        notes = [f"the log of {writer.name} is {writer.verified}" for writer in bad]
        loose = [row for row in _open(incidents.value) if row.containment != "contained"]
        notes += [f"{_count(loose)} not contained"] if loose else []
        if notes:
            return Health("attention", notes)
        failures = [answer.failure for answer in (incidents, writers) if answer.failure]
        if failures or not writers.value:
            return Health("unknown", failures or ["the journal's state is not known"])
        waiting = _open(incidents.value)
        return Health("watching", [f"{_count(waiting)} contained, to be closed"] if waiting else [])


def _open(rows: Sequence[IncidentRow]) -> list[IncidentRow]:
    return [row for row in rows if row.state != "closed"]


def _count(rows: Sequence[IncidentRow]) -> str:
    drill = " in exercise" if all(row.exercise for row in rows) else ""
    return f"{len(rows)} incident{'s' if len(rows) > 1 else ''}{drill}"


def console_of(request: Request[Any, Any, Any]) -> Console:
    """The console that this request came to."""
    console = request.app.state["console"]
    assert isinstance(console, Console)
    return console
