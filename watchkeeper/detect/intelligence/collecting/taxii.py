"""A client of TAXII 2.1 (OASIS): the objects of one collection, page by page, from where the last poll ended."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.detect.intelligence.collecting.model import Collected, NoAnswer, merge
from watchkeeper.detect.intelligence.formats.stix import read
from watchkeeper.detect.intelligence.model import Read

MEDIA = "application/taxii+json;version=2.1"
_READABLE = ("application/taxii+json", "application/stix+json", "application/json")
_PAGE = 1000
_MOST_PAGES = 5_000
_WANTED = "indicator,marking-definition"


class _Page(msgspec.Struct):
    more: bool = False
    next: str | int = ""
    objects: list[msgspec.Raw] = []


_page = msgspec.json.Decoder(_Page)


async def collect(fetcher: Fetcher, url: str, authorization: str, cursor: str, most: int) -> Collected:
    """What was added since `cursor`. Raises `NoAnswer`, `FetchRefused`, `FetchFailed`, `Invalid`."""
    found = Read()
    asked: dict[str, str] = {"limit": str(_PAGE), "match[type]": _WANTED}
    if cursor:
        asked["added_after"] = cursor
    for _ in range(_MOST_PAGES):
        answer = await _ask(fetcher, f"{url.rstrip('/')}/objects/?{urlencode(asked)}", authorization)
        page = _decoded(answer, url)
        if len(found.drafts) + len(page.objects) > most:
            raise Invalid(f"the collection has more than {most} objects; that many are read at once")
        if page.objects:
            merge(found, read(answer.body, most))
        newest = answer.headers.get("x-taxii-date-added-last", "")
        moved = newest and newest != cursor
        cursor = newest or cursor
        if not page.more or not page.objects:
            break
        if page.next:
            asked["next"] = str(page.next)
        elif moved:
            asked["added_after"] = cursor
        else:
            raise NoAnswer(f"{_shown(url)} says that there is more, and not where")
    return Collected(found, cursor, is_whole=False)


async def _ask(fetcher: Fetcher, url: str, authorization: str) -> Fetched:
    headers = [("Accept", MEDIA)]
    if authorization:
        headers.append(("Authorization", authorization))
    answer = await fetcher.request("GET", url, headers, accept=_READABLE)
    if answer.status != 200:
        raise NoAnswer(f"{_shown(url)} answered {answer.status}", hint=_HINTS.get(answer.status, ""))
    return answer


def _decoded(answer: Fetched, url: str) -> _Page:
    try:
        return _page.decode(answer.body or b"{}")
    except (msgspec.MsgspecError, RecursionError) as error:
        raise NoAnswer(f"{_shown(url)} answered what is no envelope of TAXII") from error


def _shown(url: str) -> str:
    return url.partition("?")[0]


_HINTS = {
    401: "see the source's --auth",
    403: "the credential may not read this collection",
    404: "the URL is that of a collection: …/collections/ID/",
    406: "the server speaks another version than TAXII 2.1",
    429: "it is asked too often: a larger --every",
}
