"""The envelope has one form, and a signature counts for the key it verifies under."""

from __future__ import annotations

import json

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.core.keys import SigningKey
from watchkeeper.policy.bundles import Envelope, read_envelope, sign
from watchkeeper.policy.bundles.envelope import LONGEST, pae


def test_what_is_signed_is_what_the_standard_says() -> None:
    """The example in the protocol's own text."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_order_of_signing_makes_no_difference(unsigned: Envelope, ann: SigningKey, bob: SigningKey) -> None:
    one, other = sign(sign(unsigned, ann), bob), sign(sign(unsigned, bob), ann)
    assert one.raw() == other.raw()
    assert sign(one, ann).raw() == one.raw()


def test_everybody_who_signed_is_named_and_nobody_else(
    unsigned: Envelope, ann: SigningKey, bob: SigningKey, stranger: SigningKey
) -> None:
    keys = {"ann": ann.public, "bob": bob.public}
    assert unsigned.signers(keys) == ()
    assert sign(sign(unsigned, stranger), bob).signers(keys) == ("bob",)
    assert sign(sign(unsigned, ann), bob).signers(keys) == ("ann", "bob")


def test_a_signature_under_somebody_elses_id_counts_for_nobody(
    unsigned: Envelope, ann: SigningKey, bob: SigningKey
) -> None:
    """Bob's signature relabelled as Ann's."""
    keys = {"ann": ann.public, "bob": bob.public}
    of_ann = json.loads(sign(unsigned, ann).raw())
    of_bob = json.loads(sign(unsigned, bob).raw())
    of_bob["signatures"][0]["keyid"] = of_ann["signatures"][0]["keyid"]
    raw = json.dumps(of_bob, separators=(",", ":")).encode() + b"\n"
    assert read_envelope(raw).signers(keys) == ()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw.rstrip(), id="no line break in the end"),
        pytest.param(lambda raw: b" " + raw, id="a blank before it"),
        pytest.param(lambda raw: raw.replace(b'","payloadType', b'", "payloadType'), id="a blank in it"),
        pytest.param(lambda raw: raw.replace(b"in-toto+json", b"else"), id="another type"),
        pytest.param(lambda raw: raw[:-2] + b',"more":1}\n', id="one member more"),
        pytest.param(lambda raw: raw[:-2] + b',"payload":"e30="}\n', id="a member twice"),
        pytest.param(lambda raw: raw.replace(b"]", b"," + raw.split(b"[")[1].split(b"]")[0] + b"]"), id="a key twice"),
        pytest.param(lambda _: b"x" * (LONGEST + 1), id="too long"),
        pytest.param(lambda _: b'{"more":' + b"[" * 100_000, id="nested without end"),
        pytest.param(lambda _: b"", id="nothing"),
    ],
)  # fmt: skip
@pytest.mark.behaviour("policy.bundle-one-form")
def test_any_other_form_is_no_bundle(unsigned: Envelope, ann: SigningKey, change) -> None:  # type: ignore[no-untyped-def]
    raw = sign(unsigned, ann).raw()
    assert read_envelope(raw).raw() == raw
    with pytest.raises(Invalid):
        read_envelope(change(raw))
