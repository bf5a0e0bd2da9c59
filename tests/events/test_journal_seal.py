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
from watchkeeper.events.journal.forms.frame import BadFrame, Frame, pack, pack_body, parse
from watchkeeper.events.journal.forms.seal import BadBlock, Opener, Sealer, check, entry_of
from watchkeeper.events.journal.subjects import SubjectKeys

BATCH = [("agent:ada", b"one"), ("agent:bob", b"two"), ("agent:ada", b""), ("", b"x" * 70_000)]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SubjectKeys]:
    keys = SubjectKeys(tmp_path, create=True)
    yield keys
    keys.close()


def sealed(keys: SubjectKeys, first: int = 7, writer: str = "gateway") -> Frame:
    entries, blocks = Sealer(writer, keys).seal(first, BATCH, ManualClock().now())
    return parse(pack(pack_body(first, 5, entries, blocks), b"note"))


@pytest.mark.behaviour("journal.entry-is-salted")
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_an_entry_is_the_version_and_the_hash_of_salt_and_record(salt: bytes, record: bytes) -> None:
    assert entry_of(salt, record) == b"\x02" + hashlib.sha256(salt + record).digest()
    assert entry_of(salt, record, b"\x01") == b"\x01" + hmac.digest(salt, record, hashlib.sha256)


@pytest.mark.behaviour("journal.entry-is-salted")
def test_each_record_has_a_salt_of_its_own(keys: SubjectKeys) -> None:
    entries, blocks = Sealer("gateway", keys).seal(0, [("agent:ada", b"the same")] * 300, 0)
    frame = parse(pack(pack_body(0, 5, entries, blocks), b"note"))
    opened = [content for content in Opener("gateway", keys).open(frame) if content]
    assert len({salt for salt, _ in opened}) == len(set(entries)) == 300
    assert all(len(salt) == 32 for salt, _ in opened)


def test_entries_of_the_first_logs_are_still_checked() -> None:
    salt, entry = b"s" * 32, b"\x01" + hmac.digest(b"s" * 32, b"record", hashlib.sha256)
    check([entry], [salt], [b"record"])
    for opened in ((salt, b"another"), (b"t" * 32, b"record")):
        with pytest.raises(BadBlock):
            check([entry], [opened[0]], [opened[1]])


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
