"""Entries are what their definition says; blocks open under their own key, in their own place, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.core.clock import ManualClock
from watchkeeper.events.journal.frame import BadFrame, Frame, pack, pack_body, parse
from watchkeeper.events.journal.seal import BadBlock, Opener, Salter, Sealer, entry_of
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.tree import leaf_hash

BATCH = [("agent:ada", b"one"), ("agent:bob", b"two"), ("agent:ada", b""), ("", b"x" * 70_000)]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SubjectKeys]:
    keys = SubjectKeys(tmp_path, create=True)
    yield keys
    keys.close()


def sealed(keys: SubjectKeys, first: int = 7, writer: str = "gateway") -> Frame:
    salter = Salter()
    batch = [salter.pend(subject, record) for subject, record in BATCH]
    entries, blocks = Sealer(writer, keys).seal(first, batch, ManualClock().now())
    return parse(pack(pack_body(first, 5, entries, blocks), b"note"))


@pytest.mark.behaviour("journal.entry-is-hmac")
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_an_entry_is_the_version_and_the_hmac_of_the_record_under_its_salt(salt: bytes, record: bytes) -> None:
    assert entry_of(salt, record) == b"\x01" + hmac.digest(salt, record, hashlib.sha256)


@pytest.mark.behaviour("journal.entry-is-hmac")
def test_each_record_is_made_ready_with_a_salt_of_its_own() -> None:
    salter = Salter()
    pending = [salter.pend("agent:ada", b"record %d" % number) for number in range(300)]
    assert [entry for _, _, _, entry, _ in pending] == [entry_of(salt, record) for _, record, salt, _, _ in pending]
    assert [leaf for _, _, _, _, leaf in pending] == [leaf_hash(entry) for _, _, _, entry, _ in pending]
    assert len({salt for _, _, salt, _, _ in pending}) == 300


def test_what_was_sealed_opens_in_order_with_its_own_salts(keys: SubjectKeys) -> None:
    frame = sealed(keys)
    opened = [content for content in Opener("gateway", keys).open(frame) if content]
    assert [record for _, record in opened] == [record for _, record in BATCH]
    assert [entry_of(salt, record) for salt, record in opened] == list(frame.entries)
    assert len({salt for salt, _ in opened}) == len(BATCH)


@pytest.mark.parametrize("part", ["sealed", "nonce", "index", "writer", "entry", "other block"])
def test_a_block_opens_only_as_and_where_it_was_sealed(keys: SubjectKeys, part: str) -> None:
    frame, writer = sealed(keys), "gateway"
    block = frame.blocks[0]
    changed = {
        "sealed": msgspec.structs.replace(block, sealed=block.sealed[:-1] + bytes([block.sealed[-1] ^ 1])),
        "nonce": msgspec.structs.replace(block, nonce=bytes(12)),
        "other block": msgspec.structs.replace(block, key_id=frame.blocks[1].key_id),
    }.get(part, block)
    frame = msgspec.structs.replace(frame, blocks=(changed, *frame.blocks[1:]))
    if part == "index":
        frame = msgspec.structs.replace(frame, first=8)
    elif part == "writer":
        writer = "watch"
    elif part == "entry":
        frame = msgspec.structs.replace(frame, entries=(frame.entries[1], frame.entries[0], *frame.entries[2:]))
    with pytest.raises(BadBlock):
        Opener(writer, keys).open(frame)


def test_a_block_that_is_there_twice_does_not_open(keys: SubjectKeys) -> None:
    frame = sealed(keys)
    with pytest.raises(BadBlock):
        Opener("gateway", keys).open(msgspec.structs.replace(frame, blocks=(*frame.blocks, frame.blocks[0])))


@given(st.binary(max_size=200))
def test_noise_is_no_frame(noise: bytes) -> None:
    for candidate in (noise, b"WKJRNL\x01\n" + noise):
        with pytest.raises(BadFrame):
            parse(candidate)
