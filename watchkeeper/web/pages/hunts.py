"""Hunts: the list, one hunt with its result and the ways on from each row, its schedule and its history."""

from __future__ import annotations

from typing import Any

from litestar import Response, get

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.detect.hunts.pivots import pivots
from watchkeeper.web.detection import Hunts
from watchkeeper.web.show import Console, Known, PageRequest, console_of, known, listed

_LONGEST = 2000


@get("/hunts", sync_to_thread=True)
def hunts(request: PageRequest) -> Response[str]:
    """Every hunt, with what the watch runs by itself."""
    console = console_of(request)
    return console.page(request, "hunts", "Hunts", rows=listed(lambda: _port(console).list()))


@get("/hunts/{name:str}", sync_to_thread=True)
def one_hunt(request: PageRequest) -> Response[str]:
    """One hunt; with `run=1` its result, by the parameters in the address, so that the address can be passed on."""
    console, params = console_of(request), request.query_params
    port, name = _port(console), request.path_params["name"]
    row = port.show(name)
    said = {key: params.get(key, "")[:_LONGEST] for key in row.hunt.parameters}
    since = params.get("since", "")[:20]
    wanted = params.get("run") == "1"
    answer, wrong = _answer(port, name, said, since) if wanted else (Known(None), "")
    found = answer.value
    ways = []
    if found is not None:
        types = dict(zip(found.columns, found.types, strict=True))
        ways = [pivots(one, types) for one in found.records()]
    runs = listed(lambda: port.runs(name))
    shown: dict[str, Any] = {"row": row, "said": said, "since": since, "answer": answer, "ways": ways, "wrong": wrong}
    return console.page(request, "hunt", row.hunt.title, runs=runs, wanted=wanted, **shown)


def _answer(port: Hunts, name: str, said: dict[str, str], since: str) -> tuple[Known[Any], str]:
    try:
        return known(lambda: port.run(name, said, since), None), ""
    except Invalid as error:
        return Known(None), f"{error.reason}. {error.hint}".rstrip(". ") + "."


def _port(console: Console) -> Hunts:
    if console.services.hunts is None:
        raise Unavailable("hunts are not at hand here", hint="run them by `watchkeeper hunt`")
    return console.services.hunts
