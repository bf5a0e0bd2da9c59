"""Every kind of place does the same: keeps, lists, gives back, and never writes over anything."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from tests.events.anchors.conftest import Receiver, bucket_place
from watchkeeper.core.errors import NotFound, Unavailable
from watchkeeper.events.anchors import bucket
from watchkeeper.events.anchors.folder import FolderPlace
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.anchors.sigv4 import Asked, Credentials, canonical_path, canonical_query, sign


@pytest.mark.behaviour("journal.anchors-never-overwritten")
def test_what_is_kept_is_given_back_and_never_written_over(place: Place) -> None:
    assert place.writers() == []
    assert list(place.names("gateway")) == []
    for name in ("3.note", "1.note", "2.note"):
        place.put("gateway", name, f"what {name} says — ü\n".encode())
    place.put("watch", "9.note", b"another log\n")
    place.put("gateway", "2.note", b"another history\n")
    assert place.get("gateway", "2.note") == "what 2.note says — ü\n".encode()
    assert place.writers() == ["gateway", "watch"]
    assert list(place.names("gateway")) == ["1.note", "2.note", "3.note"]
    with pytest.raises(NotFound):
        place.get("gateway", "4.note")


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    place = FolderPlace("vault", tmp_path / "nowhere")
    for ask in (lambda: place.put("gateway", "1.note", b"x"), place.writers, lambda: list(place.names("gateway"))):
        with pytest.raises(Unavailable, match="there is no folder"):
            ask()
    assert not (tmp_path / "nowhere").exists()


def test_a_bucket_with_more_than_a_page_is_listed_whole(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_PAGE", 4)
    place = bucket_place(store, "many-pages")
    names = [f"{number:05d}.note" for number in range(11)]
    for name in names:
        place.put("gateway", name, b"x")
    assert list(place.names("gateway")) == names


def test_a_bucket_that_is_not_there_is_said(store: str) -> None:
    place = bucket_place(store, "there-is-one")
    place._bucket = "there-is-none"
    with pytest.raises(Unavailable, match="404 NoSuchBucket"):
        place.writers()
    with pytest.raises(Unavailable, match="404"):
        place.put("gateway", "1.note", b"x")


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_receiver_that_refuses_is_said(receiver: Receiver, request: pytest.FixtureRequest, status: int) -> None:
    from tests.events.anchors.conftest import HOOK_KEYS, fetcher_for
    from watchkeeper.core.clock import SystemClock
    from watchkeeper.events.anchors.webhook import WebhookPlace
    from watchkeeper.respond.webhooks.signing import sign as sign_hook

    place = WebhookPlace(
        "hook", receiver.url, lambda *signed: sign_hook(HOOK_KEYS, *signed), fetcher_for(receiver.url), SystemClock()
    )
    receiver.answer = status
    for ask in (lambda: place.put("gateway", "1.note", b"x"), place.writers, lambda: place.get("gateway", "1.note")):
        with pytest.raises(Unavailable, match=f"answers {status}"):
            ask()
    assert receiver.kept == {}


def test_a_request_is_signed_as_in_amazons_documentation() -> None:
    """The GET example of the S3 API reference, "Signature Calculations for the Authorization Header"."""
    by = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
    asked = Asked("GET", "/test.txt", {}, {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9"})
    signed = sign(by, "20130524T000000Z", asked)["authorization"]
    assert signed.endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    assert "wJalr" not in repr(by)


@pytest.mark.parametrize(
    ("verb", "path", "query", "body"),
    [
        ("PUT", "/bucket/one estate/gateway/00-ab.note", {}, b"a note\n"),
        ("GET", "/bucket", {"list-type": "2", "prefix": "a/b c+d/", "start-after": "ü~é"}, b""),
    ],
)
def test_a_request_is_signed_as_amazons_own_client_does(
    verb: str, path: str, query: dict[str, str], body: bytes
) -> None:
    by = Credentials("AKIAEXAMPLE", "secret", "eu-central-1")
    url = f"https://s3.example.org:9000{canonical_path(path)}" + (f"?{canonical_query(query)}" if query else "")
    theirs = AWSRequest(verb, url, headers={"if-none-match": "*"}, data=body)
    S3SigV4Auth(BotoCredentials("AKIAEXAMPLE", "secret"), "s3", "eu-central-1").add_auth(theirs)
    stamp = theirs.headers["X-Amz-Date"]
    headers = {"host": urlsplit(url).netloc, "if-none-match": "*"}
    ours = sign(by, stamp, Asked(verb, path, query, headers, body))
    assert ours["authorization"] == theirs.headers["Authorization"]
