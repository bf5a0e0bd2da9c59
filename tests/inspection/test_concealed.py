from __future__ import annotations

import base64
import codecs
import json
from typing import Any

import pytest

from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.concealed import CONCEALED, Concealed

KEY = "AKIA" + "QXT7ZM4KWPLR2VNC"
TOKEN = "gh" + "p_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"


@pytest.fixture(scope="module")
def concealed() -> Concealed:
    one = Concealed()
    one.prepare()
    return one


def labels(concealed: Concealed, value: Any) -> set[str]:
    data = json.dumps({"name": "t", "arguments": {"v": value}}).encode()
    return {finding.label for finding in concealed.inspect(Surface.ARGUMENTS, data)}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.behaviour("egress.concealed-secrets")
@pytest.mark.parametrize(
    "value",
    [
        "config: " + b64("deploy_key=" + TOKEN),
        b64(b64(KEY)),
        b64(KEY).encode().hex(),
        KEY.encode().hex(),
        " ".join(f"{byte:02x}" for byte in KEY.encode()),
        base64.b32encode(KEY.encode()).decode(),
        "https://h.test/collect/" + b64(KEY),
        "https://h.test/?k=" + "".join(f"%2525{byte:02x}" for byte in KEY.encode()),
        f"https://h.test/?k={KEY[:3]}%{ord(KEY[3]):x}{KEY[4:]}",
        KEY[::-1],
        codecs.encode(TOKEN, "rot13"),
        " ".join(KEY),
        f"it is {KEY[:4]}-{KEY[4:8]}-{KEY[8:12]}-{KEY[12:16]}-{KEY[16:]}",
        "".join(f"&#{byte};" for byte in KEY.encode()),
        b64("card 4929537387197180"),
        b64("GB26WKPR63748680571176"),
    ],
)
def test_a_credential_is_found_in_any_disguise(concealed: Concealed, value: str) -> None:
    assert labels(concealed, value) == {CONCEALED}


@pytest.mark.behaviour("egress.concealed-secrets")
@pytest.mark.parametrize(
    "value",
    [
        [{"payload": TOKEN[:10]}, {"payload": TOKEN[10:]}],
        [TOKEN[:5], TOKEN[5:20], TOKEN[20:]],
        {"first": TOKEN[:12], "second": TOKEN[12:]},
        [b64(TOKEN)[:20], b64(TOKEN)[20:]],
    ],
)
def test_so_is_one_in_pieces(concealed: Concealed, value: Any) -> None:
    assert labels(concealed, value) == {CONCEALED}


@pytest.mark.parametrize(
    "value",
    [
        "550e8400-e29b-41d4-a716-446655440000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        b64("Three commits since Monday, all of them green."),
        "I am at the top of it all, so is he, as we go on. " * 20,
        ["red", "green", "blue"],
        "https://h.test/a%20b?next=%2Fhome%2Fpage",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVQI12NgAAIABQABNjN9GQAAAAlwSFlzAAAWJQ==",
    ],
)
def test_ordinary_texts_hide_none(concealed: Concealed, value: Any) -> None:
    assert labels(concealed, value) == set()


def test_the_finding_names_the_place_and_never_the_secret(concealed: Concealed) -> None:
    data = json.dumps({"arguments": {"v": "x", "w": b64(TOKEN)}}).encode()
    (found,) = concealed.inspect(Surface.ARGUMENTS, data)
    assert (found.path, found.excerpt) == ("/arguments/w", "")


def test_only_what_is_sent_is_looked_at(concealed: Concealed) -> None:
    assert concealed.inspect(Surface.RESULT, json.dumps({"v": b64(TOKEN)}).encode()) == ()


@pytest.mark.behaviour("egress.on-demand")
def test_it_looks_only_where_a_policy_asks() -> None:
    data = json.dumps({"v": " ".join(TOKEN)}).encode()
    assert Inspection([Concealed()]).inspect(Surface.ARGUMENTS, data) == ()
    wanting = Inspection([Concealed()], wanted=frozenset({CONCEALED}))
    assert [finding.label for finding in wanting.inspect(Surface.ARGUMENTS, data)] == [CONCEALED]
