"""Searching events: the query, counts over time and by field, the events, and the same as a file or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.response import Stream

from watchkeeper.core.errors import Invalid, WatchkeeperError
from watchkeeper.events.query import BadQuery
from watchkeeper.events.query.fields import FACETS, FIELDS
from watchkeeper.events.search import Asked
from watchkeeper.events.search.formats import FORMATS, MEDIA
from watchkeeper.operators.model import Acting
from watchkeeper.web import searching
from watchkeeper.web.searching import PRESETS, Place, Wrong
from watchkeeper.web.show import Console, PageRequest, console_of, known

PAGE = 50
_LONGEST = 8192
_MOST = 1000
SUFFIX = {"ocsf": "ocsf.jsonl"}
_EVERY = 2
"""Seconds between two looks while one follows."""
ApiRequest = Request[Any, Any, Any]


@get("/events", sync_to_thread=True)
def events(request: PageRequest) -> Response[str]:
    """The page; with an error in the query it shows the place, and nothing else."""
    console = console_of(request)
    place = place_of(request)
    try:
        asked = console.services.events.ask(place.text, place.since, place.until)
        place = Place(place.text, place.since, place.until, place.follow, asked)
        search = partial(console.services.events.search, asked, request.query_params.get("after", ""), PAGE)
        found = known(search, None)
        counts = known(partial(console.services.events.count, asked), None)
    except BadQuery as error:
        return _refused(request, console, place, searching.wrong(error))
    except Invalid as error:
        return _refused(request, console, place, Wrong(error.reason, error.hint))
    return _page(
        request,
        console,
        place=place,
        wrong=None,
        found=found,
        counts=counts,
        chart=searching.chart(counts.value) if counts.value is not None else None,
        every=_EVERY if place.follow else 0,
    )


@get("/events/export", sync_to_thread=True)
def export(request: PageRequest) -> Stream:
    """All that is found, as a file; its first bytes are made before the answer begins, so that errors are told."""
    form = request.query_params.get("format", "jsonl")
    if form not in FORMATS:
        raise Invalid("there is no such format", hint=f"choose one of {', '.join(FORMATS)}")
    place = place_of(request)
    port = console_of(request).services.events
    pieces = port.export(port.ask(place.text, place.since, place.until), form)
    first = next(pieces, b"")
    headers = {"Content-Disposition": f'attachment; filename="watchkeeper-events.{SUFFIX.get(form, form)}"'}
    return Stream(_whole(first, pieces), media_type=MEDIA[form], headers=headers)


@get("/api/events", sync_to_thread=True)
def list_events(request: ApiRequest) -> Response[bytes]:
    """A page of events; `after` is the `next` of the page before."""
    port, asked = _permitted(request)
    limit = request.query_params.get("limit", "100")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= _MOST:
        raise Invalid(f"limit is a number from 1 to {_MOST}")
    found = port.search(asked, request.query_params.get("after", ""), int(limit))
    told = {"query": asked.text, "since": asked.since, "until": asked.until, "next": found.next}
    return json(told | {"unreadable": found.unreadable, "note": found.note, "events": found.events})


@get("/api/events/counts", sync_to_thread=True)
def count_events(request: ApiRequest) -> Response[bytes]:
    """What was counted of a search."""
    port, asked = _permitted(request)
    return json(port.count(asked))


@get("/api/events/{event_id:str}", sync_to_thread=True)
def show_event(request: ApiRequest) -> Response[bytes]:
    """One event and its place in the journal."""
    port = console_of(request).services.events
    port.require(_acting(request))
    found = port.find(request.path_params["event_id"])
    return json({"writer": found.writer, "index": found.index, "event": found.event})


@get("/api/conversations/{key:str}", sync_to_thread=True)
def show_conversation(request: ApiRequest) -> Response[bytes]:
    """A session, a trace, or what belongs to an event, told."""
    port = console_of(request).services.events
    port.require(_acting(request))
    return json(port.conversation(request.path_params["key"]))


def place_of(request: Request[Any, Any, Any]) -> Place:
    """What was asked for; `from` and `to`, the fields for exact times, win over the chosen span."""
    params = request.query_params
    since = params.get("from", "").strip() or params.get("since", "").strip() or "24h"
    until = params.get("to", "").strip() or params.get("until", "").strip()
    return Place(params.get("q", "")[:_LONGEST], since[:64], until[:64], params.get("follow") == "1")


def json(value: object) -> Response[bytes]:
    return Response(msgspec.json.encode(value, enc_hook=str), media_type="application/json")


def _permitted(request: ApiRequest) -> tuple[Any, Asked]:
    port = console_of(request).services.events
    port.require(_acting(request))
    place = place_of(request)
    return port, port.ask(place.text, place.since, place.until)


def _acting(request: ApiRequest) -> Acting:
    acting = request.scope["user"]
    assert isinstance(acting, Acting)
    return acting


def _refused(request: PageRequest, console: Console, place: Place, wrong: Wrong) -> Response[str]:
    response = _page(request, console, place=place, wrong=wrong, found=None, counts=None, chart=None, every=0)
    response.status_code = 400
    return response


def _page(request: PageRequest, console: Console, **values: Any) -> Response[str]:
    fields = [FIELDS[name] for name in FIELDS if name != "version"]
    return console.page(
        request,
        "events",
        "Events",
        presets=PRESETS,
        fields=fields,
        facets=FACETS,
        pivots=searching.pivots,
        said=searching.said,
        formats=FORMATS,
        **values,
    )


def _whole(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chain((first,), rest)
    except WatchkeeperError as error:
        raise ConnectionAbortedError(error.reason) from error  # half a file must not look like a whole one
