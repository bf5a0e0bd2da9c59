"""Rendering: the template environment, the frame around every page, and answers that may be missing.

A page is `templates/<name>.html` inside the frame. Asked with `?live=1` it is sent without the frame, as the parts that
`static/live.js` puts in place of the old ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.enums import MediaType

from watchkeeper.core.clock import Clock, to_iso
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.web import commands, reading, shapes, visible
from watchkeeper.web.model import Health
from watchkeeper.web.operators import Operator
from watchkeeper.web.ports import Services
from watchkeeper.web.settings import ConsoleSettings

_HERE = Path(__file__).resolve().parent
STATIC = {
    "console.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
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
        shared: dict[str, Any] = {
            "static": lambda name: f"/static/{name}?v={digest[name]}",
            "link": commands.link,
            "command": commands.command,
            "state": shapes.state,
            "severity": shapes.severity,
            "reading": reading,
        }
        environment.globals |= shared
        environment.filters |= {
            "visible": visible.visible,
            "visible_block": visible.visible_block,
            "visible_text": visible.visible_text,
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
        """The page `name`, in its frame or, with `?live=1`, as live parts."""
        now = self.clock.now()
        is_live = request.query_params.get("live") == "1"
        template = self.environment.get_template("live.html" if is_live else "frame.html")
        html = template.render(
            values,
            page=name,
            title=title,
            now=now,
            ago=lambda moment: shapes.ago(moment, now),
            operator=request.scope.get("user"),
            health=self.health() if request.scope.get("user") else None,
            data_dir=self.services.data_dir,
        )
        return Response(html, media_type=MediaType.HTML)

    def health(self) -> Health:
        """One word for the whole, on every page; bad news and missing news win over good news."""
        incidents = listed(lambda: self.services.incidents.list("open"))
        writers = listed(self.services.journal.writers)
        failures = [answer.failure for answer in (incidents, writers) if answer.failure]
        real = [row for row in incidents.value if not row.exercise]
        notes = [f"the log of {w.name} {w.verified}" for w in writers.value if w.verified in {"tampered", "unusable"}]
        if incidents.value:
            drills = len(incidents.value) - len(real)
            words = [f"{len(real)} open"] if real else []
            words += [f"{drills} open in exercise"] if drills else []
            notes.append("Incidents: " + ", ".join(words))
        if notes:
            return Health("attention", notes)
        return Health("unknown", failures) if failures or not writers.value else Health("watching")


def console_of(request: Request[Any, Any, Any]) -> Console:
    """The console that this request came to."""
    console = request.app.state["console"]
    assert isinstance(console, Console)
    return console
