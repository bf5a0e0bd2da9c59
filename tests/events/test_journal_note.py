"""Checkpoints against C2SP's formats."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.keys import SigningKey, is_signed_by
from watchkeeper.events.journal.note import (
    BadNote,
    Signer,
    is_valid,
    key_hash,
    origin_of,
    read,
    read_verifier_key,
    verifier_key,
)

KEY = SigningKey.generate()
SIGNER = Signer("gateway", KEY)
NOTE = SIGNER.sign(7, b"r" * 32, b"f" * 32)


@pytest.mark.behaviour("journal.checkpoints-are-c2sp")
def test_a_checkpoint_has_the_lines_of_c2sp_tlog_checkpoint() -> None:
    origin = origin_of("gateway", KEY.public)
    lines = NOTE.decode().split("\n")
    root, frame = base64.b64encode(b"r" * 32).decode(), base64.b64encode(b"f" * 32).decode()
    assert lines[:5] == [origin, "7", root, f"frame {frame}", ""]
    name, signature = lines[5].removeprefix("— ").split(" ")
    data = base64.b64decode(signature)
    assert (name, data[:4]) == (origin, key_hash(origin, KEY.public))
    assert is_signed_by(KEY.public, data[4:], ("\n".join(lines[:4]) + "\n").encode())


def test_the_published_example_of_a_note_key_is_read() -> None:
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, public = read_verifier_key(key)
    assert verifier_key(name, public) == key
    text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert signature[:4].hex() == "c74f20a3"
    assert is_signed_by(public, signature[4:], text)


def test_what_was_signed_is_read_back_and_valid() -> None:
    checkpoint, signature = read(NOTE)
    assert (checkpoint.size, checkpoint.root, checkpoint.frame) == (7, b"r" * 32, b"f" * 32)
    assert is_valid(checkpoint, signature, SIGNER.origin, KEY.public)


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_can_change_unseen(at: int, flip: int) -> None:
    changed = bytearray(NOTE)
    changed[at] ^= flip
    try:
        checkpoint, signature = read(bytes(changed))
    except BadNote:
        return
    assert not is_valid(checkpoint, signature, SIGNER.origin, KEY.public)


def test_another_log_or_another_key_is_not_valid() -> None:
    checkpoint, signature = read(NOTE)
    other = SigningKey.generate()
    assert not is_valid(checkpoint, signature, SIGNER.origin, other.public)
    assert not is_valid(checkpoint, signature, origin_of("watch", KEY.public), KEY.public)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "name+00000000+AAAA", "name+zz+!!!!", verifier_key("a", KEY.public).replace("a+", "b+", 1)],
    ids=["empty", "two-parts", "wrong-hash", "no-hex", "another-name"],
)
def test_a_key_that_does_not_fit_its_hash_is_refused(text: str) -> None:
    with pytest.raises(BadNote):
        read_verifier_key(text)


@given(st.binary(max_size=400))
def test_noise_is_no_note(noise: bytes) -> None:
    with pytest.raises(BadNote):
        read(noise)
