"""The server for members and its authorization server, over HTTP, by what RFC 6749, 7009, 7636, 7662 and 8707 say."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from secrets import token_urlsafe
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from watchkeeper.exercise.members import CLIENT_ID, REDIRECT_URI, Members, agree

pytestmark = pytest.mark.behaviour("exercise.members-server")
VERIFIER = token_urlsafe(64)
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    folder = tmp_path_factory.mktemp("members")
    with Members(folder, folder / "state.json") as one:
        yield one


def invitation(members: Members, **other: str) -> str:
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "state": "mine"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": members.url}
    return f"{members.issuer}/authorize?{urlencode(asked | other)}"


def back(members: Members, **other: str) -> dict[str, str]:
    """What a browser brings back."""
    return {name: values[0] for name, values in parse_qs(urlsplit(agree(invitation(members, **other))).query).items()}


def asked(members: Members, place: str, **fields: str) -> tuple[int, dict[str, object]]:
    client = {"client_id": CLIENT_ID, "client_secret": members.secret_file.read_text()}
    answer = httpx2.post(f"{members.issuer}/{place}", data=client | fields, trust_env=False)
    return answer.status_code, answer.json() if answer.content else {}


def redeem(members: Members, code: str, **other: str) -> tuple[int, dict[str, object]]:
    fields = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
    return asked(members, "token", code=code, **(fields | other))


def issued(members: Members) -> dict[str, str]:
    status, said = redeem(members, back(members)["code"])
    assert status == 200
    return {kind: str(said[kind]) for kind in ("access_token", "refresh_token")}


async def worth(members: Members, pair: dict[str, str]) -> tuple[bool, bool, bool]:
    access, refresh = pair["access_token"], pair["refresh_token"]
    return await members.takes(access), await members.is_active(access), await members.is_active(refresh)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_token_that_was_taken_is_refused_once_either_of_its_pair_is_revoked(
    members: Members, kind: str
) -> None:
    pair, other = issued(members), issued(members)
    assert await worth(members, pair) == (True, True, True)
    assert asked(members, "revoke", token=pair[kind], token_type_hint=kind)[0] == 200
    assert await worth(members, pair) == (False, False, False)
    assert not await members.renews(pair["refresh_token"])
    assert await worth(members, other) == (True, True, True)
    assert asked(members, "revoke", token="never issued")[0] == 200, "RFC 7009, section 2.2"


async def test_a_renewal_ends_the_pair_that_it_was_asked_with(members: Members) -> None:
    pair = issued(members)
    status, fresh = asked(members, "token", grant_type="refresh_token", refresh_token=pair["refresh_token"])
    assert (status, await worth(members, pair)) == (200, (False, False, False))
    assert await members.takes(str(fresh["access_token"]))


async def test_nobody_but_its_client_is_told_or_obeyed(members: Members) -> None:
    pair = issued(members)
    stranger = {"client_secret": "guessed", "token": pair["access_token"]}
    assert asked(members, "introspect", **stranger)[0] == asked(members, "revoke", **stranger)[0] == 401
    assert await worth(members, pair) == (True, True, True)
    assert await members.is_active("never issued") is False
    assert not await members.takes("never issued")
    assert not await members.takes(pair["refresh_token"]), "a refresh token is for its issuer only"


def test_a_code_is_good_once_with_its_verifier_and_for_this_server_only(members: Members) -> None:
    said = back(members)
    assert (said["state"], said["iss"]) == ("mine", members.issuer)
    assert redeem(members, said["code"], code_verifier=token_urlsafe(64))[0] == 400
    assert redeem(members, said["code"], redirect_uri="http://127.0.0.1:7399/other")[0] == 400
    assert redeem(members, said["code"])[0] == 200
    assert redeem(members, said["code"])[0] == 400
    assert back(members, resource="https://other.example/mcp")["error"] == "invalid_target"
    assert agree(invitation(members, redirect_uri="https://thief.example/")) == ""
