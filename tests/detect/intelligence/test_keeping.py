"""Sources, allow-lists and the index."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Conflict, NotFound, Unavailable
from watchkeeper.detect.intelligence.keeping.allowing import BUILT_IN, Allowed, AllowList
from watchkeeper.detect.intelligence.keeping.building import build
from watchkeeper.detect.intelligence.keeping.index import Index
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.keeping.sources import Source
from watchkeeper.detect.intelligence.model import Draft, Read, Tlp, Type

DAY = 86_400_000_000
ONE = Source(name="one", trust=50, confidence=70)
TWO = Source(name="two", tlp=Tlp.GREEN)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def library(tmp_path: Path, clock: ManualClock) -> Library:
    return Library(tmp_path, clock)


def drafts(*values: str, **more: object) -> Read:
    return Read(drafts=[Draft(type=Type.DOMAIN, value=value, **more) for value in values])  # type: ignore[arg-type]


def known(library: Library, *values: str) -> list[list[tuple[str, int]]]:
    lookup = library.open()
    return [[(one.source, one.weight) for one in lookup.get(f"d:{value}".encode())] for value in values]


@pytest.mark.behaviour("intel.keeping")
def test_two_sources_that_name_one_value_are_joined_the_weightiest_first(library: Library) -> None:
    assert library.open().get(b"d:bad.net") == ()
    library.take(ONE, drafts("bad.net", "worse.net"))
    done = library.take(TWO, drafts("bad.net", confidence=40))
    assert (done.read, done.added, library.open().head.keys) == (1, 1, 2)
    assert known(library, "bad.net", "worse.net", "good.net") == [[("two", 40), ("one", 35)], [("one", 35)], []]
    assert library.open().head.by_source == {"one": 2, "two": 1}
    library.drop("two")
    assert known(library, "bad.net") == [[("one", 35)]]


@pytest.mark.behaviour("intel.keeping")
def test_what_is_taken_again_is_new_changed_or_as_it_was(library: Library, clock: ManualClock) -> None:
    library.take(ONE, drafts("a.net", "b.net"))
    clock.advance(DAY)
    done = library.take(
        ONE, Read(drafts=[*drafts("a.net").drafts, *drafts("b.net", title="C2").drafts, *drafts("c.net").drafts])
    )
    assert (done.added, done.changed, done.unchanged) == (1, 1, 1)
    done = library.take(ONE, drafts("c.net"), replace=True)
    assert (done.unchanged, done.removed, [one.value for one in library.every()]) == (1, 2, ["c.net"])


@pytest.mark.behaviour("intel.keeping")
def test_an_indicator_ends_by_its_source_or_by_the_life_of_its_type(library: Library, clock: ManualClock) -> None:
    library.take(ONE, drafts("short.net", valid_until=clock.now() + DAY))
    library.take(TWO, drafts("usual.net"))
    clock.advance(DAY)
    library.rebuild()
    assert known(library, "short.net", "usual.net") == [[], [("two", 60)]]
    clock.advance(89 * DAY)
    head = library.rebuild()
    assert (known(library, "usual.net"), head.expired, len(list(library.every()))) == ([[]], 2, 2)


@pytest.mark.behaviour("intel.keeping")
def test_what_a_source_takes_back_is_not_looked_for_and_older_news_changes_nothing(
    library: Library, clock: ManualClock
) -> None:
    now = clock.now()
    library.take(ONE, drafts("bad.net", id="i1", modified=now))
    done = library.take(ONE, drafts("bad.net", id="i1", modified=now + 2, revoked=True))
    assert (done.revoked, known(library, "bad.net"), library.open().head.revoked) == (1, [[]], 1)
    library.take(ONE, drafts("bad.net", id="i1", modified=now + 1))
    assert known(library, "bad.net") == [[]]


@pytest.mark.behaviour("intel.allowed")
def test_what_is_allowed_is_not_looked_for_and_counted_by_entry(library: Library) -> None:
    found = [
        Draft(type=Type.IP, value="10.1.2.3"),
        Draft(type=Type.IP, value="8.8.8.8"),
        Draft(type=Type.URL, value="http://127.0.0.1/x"),
        Draft(type=Type.DOMAIN, value="www.example.com"),
        Draft(type=Type.URL, value="https://cdn.good.net/x"),
        Draft(type=Type.EMAIL, value="a@good.net"),
        Draft(type=Type.DOMAIN, value="notgood.net"),
    ]
    entry = Allowed(type=Type.DOMAIN, value="good.net", why="ours", by="ann")
    assert library.take(ONE, Read(drafts=found)).silenced == 4
    assert library.open().head.keys == 3
    assert library.allow([entry]) == 1
    assert library.open().head.silenced == {
        "n:10.0.0.0/8": 1, "i:8.8.8.8": 1, "n:127.0.0.0/8": 1, "d:example.com": 1, "d:good.net": 2,
    }  # fmt: skip
    with pytest.raises(Conflict):
        library.allow([entry])
    assert library.forbid(Type.DOMAIN, "good.net") == entry
    assert library.open().head.keys == 3
    for kind, value in ((Type.DOMAIN, "good.net"), (Type.IP, "8.8.8.8")):
        with pytest.raises(NotFound):
            library.forbid(kind, value)


@pytest.mark.behaviour("intel.allowed")
def test_a_network_covers_what_lies_in_it_and_nothing_wider() -> None:
    allow = AllowList(BUILT_IN)
    covered = {
        (Type.NETWORK, "10.5.0.0/16"): True,
        (Type.NETWORK, "8.0.0.0/7"): False,
        (Type.IP, "fe80::5"): True,
        (Type.IP, "11.0.0.1"): False,
        (Type.URL, "http://[::1]:80/x"): True,
        (Type.HASH, "ab" * 16): False,
    }
    assert {what: allow.covers(*what) is not None for what in covered} == covered


@pytest.mark.behaviour("intel.index")
def test_the_index_finds_what_was_laid_down_and_nothing_else(library: Library) -> None:
    names = [f"h{number}.bad{number % 7}.net" for number in range(3000)]
    library.take(ONE, drafts(*names))
    lookup = library.open()
    assert [name for name in names if not lookup.has(f"d:{name}".encode())] == []
    assert [name for name in names if lookup.has(f"d:x{name}".encode()) or lookup.has(f"i:{name}".encode())] == []
    assert {one.value for name in names for one in lookup.get(f"d:{name}".encode())} == set(names)


def colliding(many: int) -> Sequence[str]:
    """Names whose CRC-32 ends in the same bits: what a hostile feed would send."""
    found: list[str] = []
    number = 0
    while len(found) < many:
        name = f"x{number:06d}.net"
        if zlib.crc32(f"d:{name}".encode()) & 0x3FF == 0:
            found.append(name)
        number += 1
    return found


@pytest.mark.behaviour("intel.index")
def test_keys_that_collide_are_laid_down_by_a_hash_that_nobody_can_foresee(library: Library) -> None:
    names = colliding(150)
    library.take(ONE, drafts(*names))
    lookup = library.open()
    assert (len(lookup.head.salt), all(lookup.has(f"d:{name}".encode()) for name in names)) == (16, True)
    assert not lookup.has(b"d:other.net")


@pytest.mark.behaviour("intel.index")
def test_an_open_index_stays_as_it_is_while_another_takes_its_place(library: Library) -> None:
    library.take(ONE, drafts("a.net"))
    before = library.open()
    library.take(ONE, drafts("b.net"), replace=True)
    assert [(lookup.has(b"d:a.net"), lookup.has(b"d:b.net")) for lookup in (before, library.open())] == [
        (True, False), (False, True),
    ]  # fmt: skip


@pytest.mark.behaviour("intel.index")
@pytest.mark.parametrize("data", [b"", b"WKINTEL1", b"x" * 100, b"WKINTEL1" + b"\xff" * 40], ids=range(4))
def test_a_damaged_index_or_source_says_so(library: Library, data: bytes) -> None:
    library.take(ONE, drafts("a.net"))
    library.index_path.write_bytes(data)
    with pytest.raises(Unavailable):
        library.open()
    (library.folder / "source.one.bin").write_bytes(b"\x05\x00\x00\x00ab")
    with pytest.raises(Unavailable):
        library.rebuild()


@pytest.mark.behaviour("intel.index")
def test_nothing_makes_an_empty_index(tmp_path: Path) -> None:
    assert build(tmp_path / "index", [], 5).keys == 0
    assert not Index(tmp_path / "index").has(b"d:a.net")


@pytest.mark.behaviour("intel.index")
def test_an_index_that_is_built_on_the_way_is_the_one_that_is_built_of_the_files(
    library: Library, clock: ManualClock
) -> None:
    for number, source in enumerate((ONE, TWO, ONE)):
        values = [f"h{at * (number + 1)}.bad.net" for at in range(300)]
        library.take(source, drafts(*values, "www.example.com", title=str(number)))
        on_the_way = library.index_path.read_bytes()
        library.rebuild()
        assert on_the_way == library.index_path.read_bytes()
    library.confirm(Type.DOMAIN, "h0.bad.net")
    on_the_way = library.index_path.read_bytes()
    library.rebuild()
    assert (on_the_way == library.index_path.read_bytes(), library.open().head.silenced) == (True, {"d:example.com": 2})


@pytest.mark.behaviour("intel.keeping")
def test_of_one_indicator_twice_in_a_file_the_later_counts(library: Library) -> None:
    later = drafts("bad.net", id="i", modified=9, title="later").drafts
    done = library.take(ONE, Read(drafts=[*later, *drafts("bad.net", id="i", modified=5, title="earlier").drafts]))
    assert (done.added, [one.title for one in library.every()]) == (1, ["later"])


@pytest.mark.behaviour("intel.keeping")
def test_what_a_source_that_is_off_says_is_kept_and_not_looked_for(library: Library) -> None:
    done = library.take(msgspec.structs.replace(ONE, is_on=False), drafts("bad.net"))
    assert (done.added, [one.value for one in library.every()], known(library, "bad.net")) == (1, ["bad.net"], [[]])


@pytest.mark.behaviour("intel.keeping")
def test_new_keys_wait_to_be_searched_for_in_the_past(library: Library) -> None:
    library.take(ONE, drafts("a.net"))
    library.take(ONE, drafts("a.net"))
    assert library.waiting() == 1


@pytest.mark.behaviour("intel.allowed")
def test_an_allowed_network_of_any_width_is_seen_from_the_first_part_of_an_address() -> None:
    allow = AllowList(
        Allowed(type=kind, value=value, why="")
        for kind, value in ((Type.NETWORK, "4.0.0.0/6"), (Type.NETWORK, "77.1.2.0/24"), (Type.IP, "8.8.8.8"))
    )
    keys = ("i:3.255.0.1", "i:4.0.0.1", "i:7.1.1.1", "i:8.0.0.1", "u:http://77.1.2.9/", "n:77.1.0.0/16", "n:8.8.8.8/32")
    assert [key for key in keys if allow.covers_key(key)] == [
        "i:4.0.0.1", "i:7.1.1.1", "u:http://77.1.2.9/", "n:8.8.8.8/32",
    ]  # fmt: skip
