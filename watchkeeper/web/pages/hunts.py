"""Hunts: the list, one hunt with its result and the ways on from each row, its schedule and its history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from litestar import Response, get

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.detect.hunts.pivots import pivots
from watchkeeper.detect.hunts.standing.changes import digest
from watchkeeper.detect.hunts.standing.model import LEVELS
from watchkeeper.web.detection import Hunts
from watchkeeper.web.pages.approvals import acting_of
from watchkeeper.web.show import Console, Known, PageRequest, console_of, known, listed

if TYPE_CHECKING:
    from watchkeeper.events.lake.sql.model import Answer

LONGEST = 2000
_ID = re.compile(r"[0-9a-f-]{36}")


@get("/hunts", sync_to_thread=True)
def hunts(request: PageRequest) -> Response[str]:
    """Every hunt, with what the watch runs by itself."""
    console = console_of(request)
    return console.page(request, "hunts", "Hunts", rows=listed(lambda: port_of(console).list()))


@get("/hunts/{name:str}", sync_to_thread=True)
def one_hunt(request: PageRequest) -> Response[str]:
    """One hunt; with `run=1` its result, by the parameters in the address, so that the address can be passed on.

    A hunt's parameter stands there as `p.NAME`: it may be called as something of the page is.
    """
    params = request.query_params
    return shown(request, dict(params), wanted=params.get("run") == "1")


def shown(request: PageRequest, asked: Mapping[str, str], *, wanted: bool, failure: str = "") -> Response[str]:
    """The page, by what an address or a form says."""
    console, name = console_of(request), request.path_params["name"]
    port = port_of(console)
    row = port.show(name)
    said = {key: asked.get(f"p.{key}", "")[:LONGEST] for key in row.hunt.parameters}
    since = asked.get("since", "")[:20]
    answer, wrong = _answer(port, name, said, since) if wanted else (Known(None), "")
    ways, digests = _rows(answer.value)
    raised = asked.get("raised", "")
    values: dict[str, Any] = {"row": row, "said": said, "since": since, "answer": answer, "ways": ways, "wrong": wrong}
    values |= {
        "digests": digests,
        "may_keep": port.may_keep(acting_of(request)),
        "raised": raised if _ID.fullmatch(raised) and port.has_raised(name, raised) else "",
        "runs": listed(lambda: port.runs(name)),
        "levels": LEVELS[1:],
        "every": _period(row.schedule.every) if row.schedule else "1h",
    }
    return console.page(request, "hunt", row.hunt.title, wanted=wanted, failure=failure, **values)


def _period(microseconds: int) -> str:
    """As it is typed; whole minutes, as every schedule is."""
    minutes = microseconds // (60 * SECOND)
    return next(f"{minutes // size}{unit}" for unit, size in (("d", 1440), ("h", 60), ("m", 1)) if minutes % size == 0)


def _rows(found: Answer | None) -> tuple[list[Any], list[str]]:
    """The ways on from each row, and what names it."""
    if found is None:
        return [], []
    types, rows = dict(zip(found.columns, found.types, strict=True)), list(found.records())
    return [pivots(one, types) for one in rows], [digest(one, types) for one in rows]


def _answer(port: Hunts, name: str, said: dict[str, str], since: str) -> tuple[Known[Any], str]:
    try:
        return known(lambda: port.run(name, said, since), None), ""
    except Invalid as error:
        return Known(None), f"{error.reason}. {error.hint}".rstrip(". ") + "."


def port_of(console: Console) -> Hunts:
    if console.services.hunts is None:
        raise Unavailable("hunts are not at hand here", hint="run them by `watchkeeper hunt`")
    return console.services.hunts
