"""Copies in an object store that speaks S3. Each is written on the condition that nothing has its name yet.

The store should keep what it has against this host too: an access key that may only put, list and get, a bucket with
versions or an object lock. That is the operator's to set up; nothing here ever deletes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from html import unescape

import msgspec

from watchkeeper.core.clock import Clock, to_iso
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import Fetched
from watchkeeper.core.fetch.target import parse_target
from watchkeeper.events.anchors.sigv4 import Asked, Credentials, canonical_path, canonical_query, sign

_ACCEPT = ("text/plain", "application/xml", "text/xml", "binary/octet-stream", "application/octet-stream")
_KEY = re.compile(r"<Key>([^<]*)</Key>")
_FOLDER = re.compile(r"<CommonPrefixes>\s*<Prefix>([^<]*)</Prefix>")
_EXISTS = (409, 412)
_PAGE = 500
"""Keys asked for at once: their list fits into what a fetch may bring."""


class Bucket(msgspec.Struct, frozen=True):
    """Where it is."""

    endpoint: str
    name: str
    prefix: str = ""


class BucketPlace:
    """`<bucket>/<prefix>/<writer>/<name>`, addressed by path."""

    def __init__(self, name: str, bucket: Bucket, by: Credentials, fetcher: Fetcher, clock: Clock) -> None:
        self.name = name
        self._endpoint = bucket.endpoint.rstrip("/")
        self._bucket = bucket.name
        self._prefix = f"{bucket.prefix.strip('/')}/" if bucket.prefix.strip("/") else ""
        self._by = by
        self._fetcher = fetcher
        self._clock = clock

    def put(self, writer: str, name: str, data: bytes) -> None:
        more = {"content-type": "text/plain", "if-none-match": "*"}
        answer = self._ask("PUT", f"{self._prefix}{writer}/{name}", {}, more, data)
        if answer.status not in (200, 201, 204, *_EXISTS):
            raise self._said(answer)

    def writers(self) -> list[str]:
        pages = self._pages({"prefix": self._prefix, "delimiter": "/"}, _FOLDER)
        return sorted({found.removeprefix(self._prefix).strip("/") for found in pages})

    def names(self, writer: str) -> Iterator[str]:
        within = f"{self._prefix}{writer}/"
        for found in self._pages({"prefix": within}, _KEY):
            yield found.removeprefix(within)

    def get(self, writer: str, name: str) -> bytes:
        answer = self._ask("GET", f"{self._prefix}{writer}/{name}", {}, {}, b"")
        if answer.status == 404:
            raise NotFound(f"{self.name} has no {writer}/{name}")
        if answer.status != 200:
            raise self._said(answer)
        return answer.body

    def _pages(self, query: Mapping[str, str], wanted: re.Pattern[str]) -> Iterator[str]:
        after = ""
        while True:
            asked = {"list-type": "2", "max-keys": str(_PAGE), **query, **({"start-after": after} if after else {})}
            answer = self._ask("GET", "", asked, {}, b"")
            if answer.status != 200:
                raise self._said(answer)
            text = answer.body.decode("utf-8", "replace")
            found = [unescape(match) for match in wanted.findall(text)]
            yield from found
            if "<IsTruncated>true</IsTruncated>" not in text or not found or found[-1] <= after:
                return
            after = found[-1]

    def _ask(self, verb: str, key: str, query: Mapping[str, str], more: Mapping[str, str], body: bytes) -> Fetched:
        target = parse_target(self._endpoint)
        path = f"{target.path.rstrip('/')}/{self._bucket}" + (f"/{key}" if key else "")
        stamp = to_iso(self._clock.now()).replace("-", "").replace(":", "").partition(".")[0] + "Z"
        headers = sign(self._by, stamp, Asked(verb, path, query, {"host": target.authority, **more}, body))
        url = f"{target.scheme}://{target.authority}{canonical_path(path)}"
        url += f"?{canonical_query(query)}" if query else ""
        return asyncio.run(self._fetcher.request(verb, url, tuple(headers.items()), body, _ACCEPT))

    def _said(self, answer: Fetched) -> Unavailable:
        found = re.search(r"<Code>([A-Za-z0-9.]{1,64})</Code>", answer.body.decode("utf-8", "replace"))
        what = f"{answer.status} {found[1]}" if found else str(answer.status)
        return Unavailable(f"the object store answers {what}", hint="check bucket, region and the access key's rights")
