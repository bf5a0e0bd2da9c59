"""What is passed on, and the TAXII 2.1 server."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
import stix2
import taxii2client.v21 as taxii2
from requests.auth import HTTPBasicAuth
from stix2patterns.validator import validate

from tests.detect.intelligence.serving import served
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.secrets import Secret
from watchkeeper.detect.intelligence.formats.reading import read
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Indicator, Read, Term, Tlp, Type
from watchkeeper.detect.intelligence.sharing.objects import Shared, bundle, pattern_of, shared
from watchkeeper.detect.intelligence.sharing.server import COLLECTION, MEDIA, TaxiiServer
from watchkeeper.detect.intelligence.sightings import Sighting

NOW = ManualClock().now()
DAY = 86_400_000_000
VALUES: tuple[tuple[Type, str], ...] = (
    (Type.IP, "1.2.3.4"), (Type.IP, "2a01::5"), (Type.NETWORK, "9.8.0.0/16"), (Type.DOMAIN, "evil.net"),
    (Type.URL, "http://evil.net/it's"), (Type.EMAIL, "me@evil.net"), (Type.HASH, "ab" * 16), (Type.HASH, "ab" * 32),
    (Type.PACKAGE, "npm/@x/tool@1.2"), (Type.PACKAGE, "*/tool"), (Type.DEFINITION, "sha256:" + "0e" * 32),
    (Type.SERVER, "weather"),
)  # fmt: skip


def one(kind: Type, value: str, **more: Any) -> Indicator:
    said: dict[str, Any] = {
        "id": "", "source": "s", "confidence": 80, "valid_from": 0, "valid_until": 0, "modified": NOW, "tlp": Tlp.GREEN,
        "added": NOW, "confirmed": NOW,
    }  # fmt: skip
    return Indicator(type=kind, value=value, **(said | more))


def out(*every: Indicator, limit: Tlp = Tlp.GREEN, seen: dict[str, Sighting] | None = None) -> list[Shared]:
    return shared(every, seen or {}, name="Us", limit=limit, now=NOW)


def types(objects: list[Shared]) -> list[str]:
    return sorted(str(found.object["type"]) for found in objects)


@pytest.mark.behaviour("intel.shared")
def test_only_what_is_confirmed_and_marked_for_it_goes_out() -> None:
    kept = (
        one(Type.DOMAIN, "unconfirmed.net", confirmed=0),
        one(Type.DOMAIN, "amber.net", tlp=Tlp.AMBER),
        one(Type.DOMAIN, "red.net", tlp=Tlp.RED),
        one(Type.DOMAIN, "ended.net", valid_until=NOW),
        one(Type.DOMAIN, "revoked.net", revoked=True),
        one(Type.DOMAIN, "told.net"),
        one(Type.DOMAIN, "told.net", source="t", tlp=Tlp.RED, confirmed=0),
    )
    assert out(*kept) == []
    assert bundle([])["type"] == "bundle"
    assert [found.object["name"] for found in out(*kept, limit=Tlp.AMBER) if "pattern" in found.object] == ["amber.net"]
    objects = out(*kept, one(Type.DOMAIN, "evil.net"), seen={"d:evil.net": Sighting("default", "d:evil.net", 5, 9, 3)})
    assert types(objects) == ["identity", "indicator", "marking-definition", "sighting"]
    assert objects == out(one(Type.DOMAIN, "evil.net"), seen={"d:evil.net": Sighting("default", "d:evil.net", 5, 9, 3)})


@pytest.mark.behaviour("intel.shared", "intel.oracle")
def test_the_reference_library_reads_what_is_shared_and_we_read_it_back() -> None:
    term = Term(Type.URL, "LIKE", "%gate_.php", True)
    every = [one(kind, value, valid_until=NOW + DAY) for kind, value in VALUES]
    objects = out(*every, one(Type.DOMAIN, "more.net", also=(term,)),
                  seen={"d:evil.net": Sighting("default", "d:evil.net", NOW, NOW, 2)})  # fmt: skip
    document = json.dumps(bundle(objects))
    parsed = stix2.parse(document, allow_custom=True)
    assert len(parsed.objects) == len(objects)
    back = read(document.encode(), "stix")
    assert (back.why, sorted((draft.type, draft.value) for draft in back.drafts)) == (
        {}, sorted([*VALUES, (Type.DOMAIN, "more.net")]),
    )  # fmt: skip
    assert [draft.also for draft in back.drafts if draft.also] == [(term,)]
    assert {draft.tlp for draft in back.drafts} == {Tlp.GREEN}


@pytest.mark.behaviour("intel.oracle")
def test_our_patterns_are_patterns_to_the_reference_library() -> None:
    assert [value for kind, value in VALUES if not validate(pattern_of(one(kind, value)))] == []


# ── the server ──

OBJECTS = out(*(one(Type.DOMAIN, f"n{number}.net", confirmed=NOW + number) for number in range(7)))
AUTH = ("authorization", "Bearer token")


def ask(path: str, *headers: tuple[str, str], method: str = "GET", query: str = "") -> tuple[int, dict[str, str], Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in (headers or (AUTH, ("accept", MEDIA)))]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs, "query_string": query.encode()}
    asyncio.run(TaxiiServer(lambda: OBJECTS, Secret("token"))(scope, None, send))
    said = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], said, json.loads(sent[1]["body"] or b"null")


IN = f"/api/collections/{COLLECTION}"


@pytest.mark.behaviour("intel.taxii-server")
def test_each_resource_has_the_members_and_the_media_type_that_taxii_demands() -> None:
    members = {
        "/taxii2/": {"title", "default", "api_roots"},
        "/api/": {"title", "versions", "max_content_length"},
        "/api/collections/": {"collections"},
        f"{IN}/": {"id", "title", "description", "can_read", "can_write", "media_types"},
        f"{IN}/objects/": {"objects"},
        f"{IN}/manifest/": {"objects"},
        f"{IN}/objects/{OBJECTS[-1].id}/": {"objects"},
        f"{IN}/objects/{OBJECTS[-1].id}/versions/": {"versions"},
    }
    answers = {path: ask(path) for path in members}
    assert {path: (answer[0], answer[1]["content-type"], set(answer[2])) for path, answer in answers.items()} == {
        path: (200, MEDIA, names) for path, names in members.items()
    }
    assert answers["/api/"][2]["versions"] == [MEDIA]
    record = answers[f"{IN}/manifest/"][2]["objects"][-1]
    assert set(record) == {"id", "date_added", "version", "media_type"}
    assert answers[f"{IN}/objects/"][1]["x-taxii-date-added-last"] == record["date_added"]


@pytest.mark.behaviour("intel.taxii-server")
@pytest.mark.parametrize(
    ("path", "method", "headers", "query", "status"),
    [
        ("/taxii2/", "GET", (("accept", MEDIA),), "", 401),
        ("/nothing/", "GET", (("accept", MEDIA),), "", 401),
        ("/taxii2/", "GET", (("authorization", "Bearer wrong"), ("accept", MEDIA)), "", 401),
        ("/taxii2/", "GET", (("authorization", "Basic !"), ("accept", MEDIA)), "", 401),
        ("/taxii2/", "GET", (AUTH, ("accept", "application/json")), "", 406),
        ("/taxii2/", "GET", (AUTH, ("accept", "application/taxii+json;version=2.0")), "", 406),
        ("/taxii2/", "GET", (AUTH, ("accept", "application/taxii+json")), "", 200),
        ("/taxii2/", "GET", (AUTH, ("accept", "text/html, */*;q=0.1")), "", 200),
        ("/other/", "GET", (), "", 404),
        ("/api/status/1/", "GET", (), "", 404),
        ("/api/collections/none/objects/", "GET", (), "", 404),
        (f"{IN}/objects/indicator--none/", "GET", (), "", 404),
        (f"{IN}/objects/", "POST", (), "", 403),
        (f"{IN}/objects/{OBJECTS[0].id}/", "DELETE", (), "", 403),
        (f"{IN}/objects/", "PUT", (), "", 405),
        (f"{IN}/objects/", "GET", (), "limit=0", 400),
        (f"{IN}/objects/", "GET", (), "limit=x", 400),
        (f"{IN}/objects/", "GET", (), "added_after=yesterday", 400),
        (f"{IN}/objects/", "GET", (), "next=elsewhere", 400),
    ],
    ids=range(19),
)
def test_what_may_not_or_cannot_be_asked_has_the_status_that_taxii_names(
    path: str, method: str, headers: tuple[tuple[str, str], ...], query: str, status: int
) -> None:
    answered, said, body = ask(path, *headers, method=method, query=query)
    assert (answered, said["content-type"]) == (status, MEDIA)
    if status != 200:
        assert (body["http_status"], set(body)) == (str(status), {"title", "description", "http_status"})
    assert ("www-authenticate" in said) is (status == 401)


@pytest.mark.behaviour("intel.taxii-server")
def test_pages_follow_each_other_and_filters_hold() -> None:
    found, next_ = [], ""
    while True:
        status, headers, body = ask(f"{IN}/objects/", query=f"limit=4&match[type]=indicator{next_}")
        found += [each["name"] for each in body["objects"]]
        assert (status, len(body["objects"]) <= 4) == (200, True)
        if not body.get("more"):
            break
        next_ = f"&next={body['next']}"
    assert found == [f"n{number}.net" for number in range(7)]
    after = headers["x-taxii-date-added-last"]
    assert ask(f"{IN}/objects/", query=f"added_after={after}")[2] == {}
    mine = OBJECTS[-1]
    queries = {
        f"match[id]={mine.id},x": 1,
        f"match[version]={mine.version}&match[id]={mine.id}": 1,
        "match[version]=first&match[type]=identity": 1,
        "match[version]=2020-01-01T00:00:00Z": 0,
        "match[spec_version]=2.0": 0,
        "match[spec_version]=2.1": len(OBJECTS),
    }
    assert {query: len(ask(f"{IN}/objects/", query=query)[2].get("objects", [])) for query in queries} == queries


@pytest.mark.behaviour("intel.taxii-server")
def test_a_published_client_finds_the_collection_and_reads_it() -> None:
    with served(TaxiiServer(lambda: OBJECTS, Secret("token"))) as url:
        server = taxii2.Server(f"{url}/taxii2/", auth=HTTPBasicAuth("anybody", "token"))
        (collection,) = server.default.collections
        assert (collection.can_read, collection.can_write) == (True, False)
        pages = taxii2.as_pages(collection.get_objects, per_request=3)
        found = [each["id"] for each in (each for page in pages for each in page.get("objects", []))]
        server.close()
    assert found == [each.id for each in OBJECTS]


def basic(user: str) -> tuple[str, str]:
    return ("authorization", "Basic " + base64.b64encode(user.encode()).decode())


@pytest.mark.behaviour("intel.taxii-server")
def test_the_token_is_a_password_too() -> None:
    asked = ("x:token", "token:", "x:tok")
    assert [ask("/taxii2/", basic(said), ("accept", MEDIA))[0] for said in asked] == [200, 401, 401]


@pytest.mark.behaviour("intel.shared")
def test_what_is_confirmed_stays_so_when_its_source_speaks_again(tmp_path: Path) -> None:
    library = Library(tmp_path, ManualClock())
    for title in ("", "C2"):
        drafts = [Draft(type=Type.DOMAIN, value="evil.net", title=title)]
        library.take(Source(name="own", tlp=Tlp.GREEN), Read(drafts=drafts))
        library.confirm(Type.DOMAIN, "evil.net")
    assert [each.object["name"] for each in out(*library.every()) if "pattern" in each.object] == ["C2"]
