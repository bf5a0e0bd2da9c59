"""Proving: whatever byte is changed, and whatever is put in, nothing of it is used."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from watchkeeper.core.errors import Invalid, Misconfigured, Untrusted, WatchkeeperError
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.policy.bundles import Envelope, TrustSettings, prove, sign
from watchkeeper.policy.bundles.envelope import wrap


@pytest.fixture
def raw(unsigned: Envelope, ann: SigningKey, bob: SigningKey) -> bytes:
    return sign(sign(unsigned, ann), bob).raw()


def test_a_bundle_that_both_signed_is_proven(raw: bytes, trust: TrustSettings) -> None:
    signed = prove(raw, trust)
    assert signed.signers == ("ann", "bob")
    assert signed.bundle.manifest.version == 3
    assert set(signed.bundle.manifest.files) == {"mine/mine.cedar", "mine/mine.tests.yaml"}


@pytest.mark.behaviour("policy.bundle-tampering")
def test_no_byte_of_it_can_be_changed(raw: bytes, trust: TrustSettings) -> None:
    """Every one: braces, names of members, payload, ids, signatures, the line break."""
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 0x01
        with pytest.raises((Invalid, Untrusted)):
            prove(bytes(changed), trust)


@pytest.mark.behaviour("policy.bundle-tampering")
def test_no_byte_can_be_left_out_and_none_put_in(raw: bytes, trust: TrustSettings) -> None:
    for at in range(0, len(raw), 7):
        for changed in (raw[:at] + raw[at + 1 :], raw[:at] + b"A" + raw[at:], raw[:at]):
            with pytest.raises((Invalid, Untrusted)):
                prove(changed, trust)


@pytest.mark.behaviour("policy.bundle-threshold")
def test_one_of_two_is_not_enough_nor_is_a_stranger_or_the_same_one_twice(
    unsigned: Envelope, trust: TrustSettings, ann: SigningKey, stranger: SigningKey
) -> None:
    for keys in ((), (ann,), (ann, stranger), (ann, ann), (stranger,)):
        envelope = unsigned
        for key in keys:
            envelope = sign(envelope, key)
        with pytest.raises(Untrusted):
            prove(envelope.raw(), trust)


def test_who_is_trusted_no_more_counts_no_more(raw: bytes, trust: TrustSettings) -> None:
    fewer = msgspec.structs.replace(trust, keys={"ann": trust.keys["ann"]}, threshold=1)
    assert prove(raw, fewer).signers == ("ann",)
    with pytest.raises(Untrusted):
        prove(raw, TrustSettings({"c": public_text(SigningKey.generate().public)}, 1))
    with pytest.raises(Misconfigured):
        prove(raw, TrustSettings())


def _file(statement: dict[str, Any], name: str) -> None:
    statement["predicate"]["files"][name] = ""
    statement["subject"].append({"digest": {"sha256": "e3b0" + "0" * 60}, "name": name})


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("another file than listed", lambda s: s["predicate"]["files"].update({"mine/mine.cedar": "// x"})),
    ("a file not listed", lambda s: s["predicate"]["files"].update({"mine/b.cedar": ""})),
    ("a listed file missing", lambda s: s["predicate"]["files"].pop("mine/mine.cedar")),
    ("a name that leads out", lambda s: _file(s, "../mine.cedar")),
    ("a name that is a path", lambda s: _file(s, "/etc/x.cedar")),
    ("a folder of dots", lambda s: _file(s, "../../x.cedar")),
    ("a program", lambda s: _file(s, "mine/x.sh")),
    ("version nought", lambda s: s["predicate"].update(version=0)),
    ("another predicate", lambda s: s.update(predicateType="urn:else")),
    ("another statement", lambda s: s.update(_type="https://in-toto.io/Statement/v9")),
    ("a member more", lambda s: s["predicate"].update(more=1)),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[name for name, _ in CHANGES])
@pytest.mark.behaviour("policy.bundle-tampering")
def test_what_two_people_signed_is_still_held_to_its_form(
    unsigned: Envelope,
    trust: TrustSettings,
    ann: SigningKey,
    bob: SigningKey,
    name: str,
    change: Callable[[dict[str, Any]], object],
) -> None:
    statement = json.loads(b64decode(unsigned.payload))
    change(statement)
    envelope = sign(sign(wrap(json.dumps(statement).encode()), ann), bob)
    with pytest.raises(WatchkeeperError) as raised:
        prove(envelope.raw(), trust)
    assert raised.value.code in {"invalid", "untrusted"}, name
