"""Proofs, checked by the one-file verifier in a Python that has nothing of ours."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import NotFound, Untrusted
from watchkeeper.core.keys import SigningKey, is_signed_by
from watchkeeper.events import Event, JournalReader, Position, encode
from watchkeeper.events.journal import prove, prove_position, verifier
from watchkeeper.events.journal.note import verifier_key

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.fixture(scope="session")
def proof(pristine: Path) -> dict[str, Any]:
    return prove_position(pristine, Position("gateway", 17))


def run(folder: Path, proof: object, *options: str) -> subprocess.CompletedProcess[str]:
    """The verifier, copied away from our package, in an isolated interpreter without site-packages."""
    script = Path(shutil.copy(verifier.__file__, folder / "verifier.py"))
    (folder / "proof.json").write_text(proof if isinstance(proof, str) else json.dumps(proof))
    command = [sys.executable, "-I", "-S", str(script), str(folder / "proof.json"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={})


@pytest.mark.behaviour("journal.proof-by-standard-library")
def test_a_proof_is_checked_by_one_file_and_the_standard_library(
    tmp_path: Path, pristine: Path, proof: dict[str, Any]
) -> None:
    key = pristine / "journal" / "gateway" / "public.vkey"
    by_file = run(tmp_path, proof, "--key", str(key))
    by_text = run(tmp_path, proof, "--key", key.read_text().strip())
    assert (by_file.returncode, by_file.stderr) == (0, "")
    assert by_file.stdout == by_text.stdout
    assert by_file.stdout.startswith("gateway.request.decided · 2026-09-21T")
    assert by_file.stdout.endswith("PROVEN\n")
    assert "NOTE: checked with the key inside the proof" in run(tmp_path, proof).stdout


def test_the_proof_holds_the_record_as_it_was_stored(pristine: Path, proof: dict[str, Any]) -> None:
    record = JournalReader(pristine).read({"gateway": 17}, 1)[0]
    assert record.event is not None
    assert proof["record"].encode() == record.record == encode(record.event)
    again = prove(pristine, record.event.id)
    assert again == proof


def test_every_record_of_a_log_can_be_proven(pristine: Path) -> None:
    for index in range(31):
        assert len(verifier.check(prove_position(pristine, Position("gateway", index)))) == 3


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "record": lambda p: p.update(record=p["record"].replace("allow", "deny!")),
    "salt": lambda p: p.update(salt="A" + p["salt"][1:] if p["salt"][0] != "A" else "B" + p["salt"][1:]),
    "entry": lambda p: p.update(entry=p["entry"][:-2] + ("AA" if p["entry"][-2:] != "AA" else "BB")),
    "index": lambda p: p.update(index=p["index"] + 1),
    "size": lambda p: p.update(size=p["size"] - 1),
    "path shorter": lambda p: p["path"].pop(),
    "path longer": lambda p: p["path"].append(p["path"][0]),
    "path swapped": lambda p: p["path"].reverse(),
    "checkpoint size": lambda p: p.update(checkpoint=p["checkpoint"].replace("\n31\n", "\n32\n"), size=32),
    "checkpoint root": lambda p: p.update(checkpoint=p["checkpoint"].replace("\n31\n", "\n31\nAAAA\n")),
    "negative index": lambda p: p.update(index=-1),
    "huge index": lambda p: p.update(index=10**30),
}


@pytest.mark.behaviour("journal.changed-proof-refused")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_proof_is_refused(tmp_path: Path, proof: dict[str, Any], name: str) -> None:
    changed = copy.deepcopy(proof)
    CHANGES[name](changed)
    done = run(tmp_path, changed)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("REFUSED: ")


def test_a_proof_under_another_key_is_refused(tmp_path: Path, proof: dict[str, Any]) -> None:
    other = SigningKey.generate()
    from_note = proof["key"].split("+")[0]
    forged = verifier_key(from_note, other.public)
    assert run(tmp_path, proof, "--key", forged).returncode == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format":"watchkeeper-proof/1"}', '"' + "[" * 5000, "[" * 100_000, '{"record":1}'],
    ids=range(9),
)
def test_what_is_no_proof_is_unreadable(tmp_path: Path, text: str) -> None:
    done = run(tmp_path, text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("UNREADABLE: ")


def test_a_proof_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", verifier.__file__, str(tmp_path / "none.json")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_hostile_text_in_a_record_stays_inert_on_the_terminal(tmp_path: Path, proof: dict[str, Any]) -> None:
    line = verifier.describe('{"kind":"a\\u001b[2Jb","time":1,"id":"x\\ny","actor":"\\u202eevil"}')
    assert line == r"a\x1b[2Jb · 1970-01-01T00:00:00.000001+00:00 · actor \u202eevil · id x\ny"


def test_an_unknown_id_is_not_found_and_says_where_to_look(pristine: Path) -> None:
    with pytest.raises(NotFound) as caught:
        prove(pristine, "01a20455-d754-7627-9de8-a72b0909b2ce")
    assert "events search" in caught.value.hint
    with pytest.raises(NotFound):
        prove_position(pristine, Position("gateway", 31))


@pytest.mark.behaviour("journal.no-proof-from-a-changed-log")
def test_a_log_that_does_not_verify_proves_nothing(
    data_dir: Path, segments: Callable[[Path], list[Path]], make_event: Callable[..., Event]
) -> None:
    event = JournalReader(data_dir).read({"gateway": 2}, 1)[0].event
    assert event is not None
    path = segments(data_dir)[1]
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(Untrusted):
        prove(data_dir, event.id)


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032, ids=["1", "2", "3", "sha-abc"])
def test_the_verifiers_ed25519_accepts_the_vectors_of_rfc_8032(public: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert verifier.ed25519_is_valid(key, signed, text)
    assert not verifier.ed25519_is_valid(key, signed, text + b"\x00")


@given(st.binary(max_size=100), st.integers(0, 95), st.integers(0, 255))
@settings(max_examples=30, deadline=None)
def test_the_verifiers_ed25519_agrees_with_cryptography(message: bytes, at: int, flip: int) -> None:
    key = SigningKey.generate()
    both = bytearray(key.public + key.sign(message))
    both[at] ^= flip
    public, signature = bytes(both[:32]), bytes(both[32:])
    assert verifier.ed25519_is_valid(public, signature, message) == is_signed_by(public, signature, message)


def test_the_verifiers_ed25519_refuses_what_rfc_8032_excludes() -> None:
    key, message = SigningKey.generate(), b"m"
    signature = key.sign(message)
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not verifier.ed25519_is_valid(key.public, signature[:32] + malleable, message)
    assert not verifier.ed25519_is_valid(b"\xff" * 32, signature, message)
    assert not verifier.ed25519_is_valid(key.public, b"\xff" * 64, message)
    assert not verifier.ed25519_is_valid(key.public, signature[:63], message)
    assert not verifier.ed25519_is_valid(key.public[:31], signature, message)
