"""Documents at a URL: a STIX bundle, a table, a list; and MISP feeds: a manifest, and a file for each event."""

from __future__ import annotations

import msgspec

from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.detect.intelligence.collecting.model import Collected, NoAnswer, merge
from watchkeeper.detect.intelligence.formats.reading import read
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Read

_READABLE = (
    *("application/json", "application/stix+json", "application/taxii+json", "text/plain", "text/csv"),
    *("application/octet-stream", "application/csv", "text/json"),
)
_AT_ONCE = 500
"""Events of a MISP feed in one poll; the rest comes with the next."""
_HEX = frozenset("0123456789abcdef-")


class _Entry(msgspec.Struct):
    timestamp: str | int = 0


_manifest = msgspec.json.Decoder(dict[str, _Entry])


async def collect_document(fetcher: Fetcher, source: Source, authorization: str, most: int) -> Collected:
    """All that stands there. Raises `NoAnswer`, `FetchRefused`, `FetchFailed`, `Invalid`."""
    answer = await _ask(fetcher, source.url, authorization)
    found = read(answer.body, "" if source.kind == "misp" else source.kind, source.columns, most=most)
    return Collected(found, "", is_whole=source.kind in ("csv", "list"))


async def collect_feed(fetcher: Fetcher, source: Source, authorization: str, most: int) -> Collected:
    """The events of a MISP feed that are newer than the last one read. Raises as above."""
    base = source.url.rstrip("/")
    answer = await _ask(fetcher, f"{base}/manifest.json", authorization)
    try:
        manifest = _manifest.decode(answer.body)
        stamps = {name: int(entry.timestamp) for name, entry in manifest.items() if _HEX.issuperset(name)}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NoAnswer(f"{base} has no manifest of MISP") from error
    seen = int(source.cursor or 0)
    newer = sorted((stamp, name) for name, stamp in stamps.items() if stamp > seen)
    found = Read()
    for at, (stamp, name) in enumerate(newer):
        if at >= _AT_ONCE and stamp > seen:  # those of one second come together, or the cursor would pass over some
            break
        event = await _ask(fetcher, f"{base}/{name}.json", authorization)
        merge(found, read(event.body, "misp", most=most))
        seen = stamp
    return Collected(found, str(seen), is_whole=False)


async def _ask(fetcher: Fetcher, url: str, authorization: str) -> Fetched:
    if authorization:
        headers = [("Accept", ", ".join(_READABLE)), ("Authorization", authorization)]
        answer = await fetcher.request("GET", url, headers, accept=_READABLE)
    else:
        answer = await fetcher.get(url, accept=_READABLE)
    if answer.status != 200:
        raise NoAnswer(f"{url.partition('?')[0]} answered {answer.status}")
    return answer
