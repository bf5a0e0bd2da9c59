"""A TAXII 2.1 server (OASIS), read only, as an ASGI application: discovery, an API root, one collection.

1. Without the token nothing is answered, not even what there is (enumeration); comparison takes the same time always.
2. Only TAXII's own media type is spoken; what is asked for in another is 406.
3. Nothing can be written or deleted: 403, as the collection says of itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from watchkeeper.core.errors import Invalid, WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.core.secrets import Secret
from watchkeeper.detect.intelligence.sharing.objects import Shared
from watchkeeper.detect.intelligence.sharing.pages import STIX, Page, page

MEDIA = "application/taxii+json;version=2.1"
COLLECTION = derived_id("taxii", "collection", "confirmed")
ROOT = "/api/"
_LARGEST = 10_485_760
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Objects = Callable[[], Sequence[Shared]]
"""What is shared now, in the order in which it was added."""


class Answer(msgspec.Struct, frozen=True):
    """Status, body and further headers."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = {}


class TaxiiServer:
    """The application."""

    def __init__(self, objects: Objects, token: Secret, title: str = "Watchkeeper") -> None:
        self._objects = objects
        self._token = token.reveal().encode()
        self._title = title

    async def __call__(self, scope: Mapping[str, Any], receive: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = self._guarded(scope)
        body = msgspec.json.encode(answer.body)
        headers = {
            "content-type": MEDIA,
            "cache-control": "no-store",
            **answer.headers,
            "content-length": str(len(body)),
        }
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _guarded(self, scope: Mapping[str, Any]) -> Answer:
        try:
            return self.answer(scope)
        except Invalid as error:
            return _error(400, "Bad Request", error.reason)
        except WatchkeeperError as error:
            return _error(503, "Service Unavailable", error.reason, {"retry-after": "10"})

    def answer(self, scope: Mapping[str, Any]) -> Answer:
        """What is answered to a request. Raises `Invalid` for a question that cannot be read."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_known(headers.get("authorization", "")):
            ways = 'Bearer realm="watchkeeper", Basic realm="watchkeeper"'
            return _error(401, "Unauthorized", "show the token", {"www-authenticate": ways})
        if not _is_accepted(headers.get("accept", "")):
            return _error(406, "Not Acceptable", f"this server speaks {MEDIA}")
        parts = [part for part in str(scope["path"]).split("/") if part]
        handler = self._route(parts)
        if handler is None:
            return _error(404, "Not Found", "there is no such resource")
        if scope["method"] in ("POST", "DELETE"):
            return _error(403, "Forbidden", "this collection is read only")
        if scope["method"] not in ("GET", "HEAD"):
            return _error(405, "Method Not Allowed", "read only", {"allow": "GET, HEAD"})
        asked = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        return handler(asked)

    def _route(self, parts: list[str]) -> Callable[[Mapping[str, str]], Answer] | None:
        match parts:
            case ["taxii2"]:
                return lambda _: Answer(200, {"title": self._title, "default": ROOT, "api_roots": [ROOT]})
            case ["api"]:
                return lambda _: Answer(
                    200, {"title": self._title, "versions": [MEDIA], "max_content_length": _LARGEST}
                )
            case ["api", "collections"]:
                return lambda _: Answer(200, {"collections": [self._collection()]})
            case ["api", "collections", name, *rest] if name == COLLECTION:
                return self._in_collection(rest)
        return None

    def _in_collection(self, rest: list[str]) -> Callable[[Mapping[str, str]], Answer] | None:
        match rest:
            case []:
                return lambda _: Answer(200, self._collection())
            case ["objects"]:
                return lambda asked: _paged(page(self._objects(), asked), Page.envelope)
            case ["manifest"]:
                return lambda asked: _paged(page(self._objects(), asked), Page.manifest)
            case ["objects", name]:
                return lambda asked: self._one(name, asked, Page.envelope)
            case ["objects", name, "versions"]:
                return lambda asked: self._one(name, asked, Page.versions)
        return None

    def _one(self, name: str, asked: Mapping[str, str], shape: Callable[[Page], dict[str, Any]]) -> Answer:
        mine = [one for one in self._objects() if one.id == name]
        return _paged(page(mine, asked), shape) if mine else _error(404, "Not Found", "there is no such object")

    def _collection(self) -> dict[str, Any]:
        return {
            "id": COLLECTION,
            "title": "Confirmed indicators",
            "description": "What an operator stands for, with its sightings",
            "can_read": True,
            "can_write": False,
            "media_types": [STIX],
        }

    def _is_known(self, authorization: str) -> bool:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                shown = base64.b64decode(shown, validate=True).decode("utf-8", "replace").partition(":")[2]
            except (binascii.Error, ValueError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(shown.encode("utf-8", "replace"), self._token)


def _is_accepted(accept: str) -> bool:
    """TAXII 2.1 §1.6.8: the type with its version or without any; what asks for anything gets it too."""
    for one in accept.split(","):
        kind, *parameters = [part.strip().lower() for part in one.split(";")]
        versions = [part for part in parameters if part.startswith("version=")]
        if kind in ("application/taxii+json", "*/*", "application/*") and versions in ([], ["version=2.1"]):
            return True
    return False


def _paged(found: Page, shape: Callable[[Page], dict[str, Any]]) -> Answer:
    return Answer(200, shape(found), found.headers)


def _error(status: int, title: str, description: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = {"title": title, "description": description, "http_status": str(status)}
    return Answer(status, body, dict(headers or {}))
