"""Legal holds: who deletes asks first, what is not said is taken to be anything, and a damaged register forbids all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from watchkeeper.core.errors import Conflict, Invalid, NotFound, Untrusted
from watchkeeper.events.lake.holds import Hold, Holds, Scope, condition, is_held
from watchkeeper.events.lake.schema import to_batch, to_row
from watchkeeper.events.model import Event, new_event

T = 1_790_000_000_000_000


def hold(name: str = "case-7", **scope: object) -> Hold:
    return Hold(name=name, reason="court order 7", by="operator:ada", placed_at=T, scope=Scope(**scope))  # type: ignore[arg-type]


def names(found: tuple[Hold, ...]) -> list[str]:
    return [one.name for one in found]


@pytest.mark.behaviour("lake.holds.asked-first")
def test_a_question_finds_each_hold_that_may_cover_what_it_describes(tmp_path: Path) -> None:
    holds = Holds(tmp_path)
    for one in (
        hold("actor", actor="agent:a"),
        hold("range", since=T, until=T + 10),
        hold("server", server="files", tenant="acme"),
        hold("incident", incident="INC-1"),
    ):
        holds.place(one)
    everything = ["actor", "incident", "range", "server"]
    assert names(holds.covering()) == everything
    assert names(holds.covering(actor="agent:b")) == ["incident", "range", "server"]
    assert names(holds.covering(actor="agent:a", tenant="default")) == ["actor", "incident", "range"]
    assert names(holds.covering(tenant="acme", server="git", incident="INC-2")) == ["actor", "range"]
    assert names(holds.covering(since=T + 10)) == ["actor", "incident", "server"]
    assert names(holds.covering(until=T)) == ["actor", "incident", "server"]
    assert names(holds.covering(since=T + 9, until=T + 11)) == everything


@pytest.mark.behaviour("lake.holds.kept")
def test_a_hold_outlives_the_process_and_ends_when_it_is_lifted(tmp_path: Path) -> None:
    Holds(tmp_path).place(hold(actor="agent:a"))
    assert Holds(tmp_path).get("case-7") == hold(actor="agent:a")
    assert (tmp_path / "lake" / "holds.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        Holds(tmp_path).place(hold(actor="agent:b"))
    assert Holds(tmp_path).lift("case-7") == hold(actor="agent:a")
    assert Holds(tmp_path).covering() == ()
    with pytest.raises(NotFound):
        Holds(tmp_path).lift("case-7")


@pytest.mark.behaviour("lake.holds.doubt-forbids")
@pytest.mark.parametrize("content", [b"", b"{", b'{"v":1}x', b'{"v":1,"holds":[{"name":"a"}]}', b'{"holds":null}'])
def test_a_damaged_register_is_an_error_and_not_an_empty_one(tmp_path: Path, content: bytes) -> None:
    Holds(tmp_path).place(hold(actor="agent:a"))
    (tmp_path / "lake" / "holds.json").write_bytes(content)
    for ask in (Holds(tmp_path).covering, Holds(tmp_path).in_force, lambda: Holds(tmp_path).lift("case-7")):
        with pytest.raises(Untrusted):
            ask()
    with pytest.raises(Untrusted):
        Holds(tmp_path).place(hold("other", actor="agent:a"))


def _gone(lake: Path, _earlier: bytes) -> None:
    shutil.rmtree(lake)


def _older(lake: Path, earlier: bytes) -> None:
    (lake / "holds.json").write_bytes(earlier)


def _other(lake: Path, _earlier: bytes) -> None:
    register = lake / "holds.json"
    register.write_bytes(register.read_bytes().replace(b"agent:b", b"agent:c"))


def _damaged(lake: Path, _earlier: bytes) -> None:
    (lake / "holds.json").write_bytes(b"{")


@pytest.mark.behaviour("lake.holds.do-not-vanish")
@pytest.mark.parametrize("harm", [_gone, _older, _other, _damaged])
def test_a_register_that_is_not_what_was_written_forbids_all_until_it_is_restored(
    tmp_path: Path, harm: Callable[[Path, bytes], None]
) -> None:
    holds, lake = Holds(tmp_path), tmp_path / "lake"
    holds.place(hold("first", actor="agent:a"))
    earlier = (lake / "holds.json").read_bytes()
    holds.place(hold("second", actor="agent:b"))
    assert holds.doubt() == ""
    harm(lake, earlier)
    assert holds.doubt()
    for ask in (holds.covering, lambda: holds.lift("first"), lambda: holds.place(hold("third", actor="x"))):
        with pytest.raises(Untrusted) as told:
            ask()
        assert "lake hold restore" in (told.value.hint or "")
    assert names(holds.restore()) == ["first", "second"]
    assert (holds.get("second"), holds.doubt()) == (hold("second", actor="agent:b"), "")
    holds.lift("first")
    assert names(holds.covering()) == ["second"]


@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_a_crash_between_register_and_copy_leaves_no_doubt_and_the_next_start_mends_it(tmp_path: Path) -> None:
    holds, copy = Holds(tmp_path), tmp_path / "keys" / "holds.json"
    holds.place(hold("first", actor="agent:a"))
    before = copy.read_bytes()
    holds.place(hold("second", actor="agent:b"))
    copy.write_bytes(before)
    assert (names(holds.covering()), holds.doubt()) == (["first", "second"], "")
    holds.settle()
    shutil.rmtree(tmp_path / "lake")
    assert names(holds.restore()) == ["first", "second"]
    copy.unlink()  # a register of a version that made no copy
    holds.settle()
    assert copy.is_file()


@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_a_lake_that_was_removed_after_the_last_hold_was_lifted_leaves_no_doubt(tmp_path: Path) -> None:
    holds = Holds(tmp_path)
    holds.place(hold(actor="agent:a"))
    holds.lift("case-7")
    shutil.rmtree(tmp_path / "lake")
    assert holds.covering() == ()
    holds.place(hold("other", actor="agent:a"))
    (tmp_path / "lake" / "holds.json").unlink()
    assert holds.doubt()


@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_without_register_and_copy_nothing_can_be_restored_and_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Holds(tmp_path).restore()


@pytest.mark.behaviour("lake.holds.named-and-bounded")
@pytest.mark.parametrize(
    "wrong",
    [
        hold("Case 7", actor="a"),
        hold("", actor="a"),
        hold("../x", actor="a"),
        hold(),
        hold(since=5, until=5),
        Hold(name="a", reason=" ", by="operator:ada", placed_at=T, scope=Scope(actor="a")),
    ],
)
def test_a_hold_without_name_reason_or_scope_is_refused(tmp_path: Path, wrong: Hold) -> None:
    with pytest.raises(Invalid):
        Holds(tmp_path).place(wrong)
    assert Holds(tmp_path).in_force() == ()


@pytest.mark.behaviour("lake.holds.one-meaning")
def test_a_hold_covers_the_same_events_in_memory_and_in_the_lake(tmp_path: Path) -> None:
    events: list[Event] = [
        new_event(T + i, "gateway.request.decided", tenant=tenant, actor=actor, server=server, target=target, body=body)
        for i, (tenant, actor, server, target, body) in enumerate(
            [
                ("default", "agent:a", "files", "read", {}),
                ("acme", "agent:a", "git", "INC-1", {}),
                ("acme", "agent:b", "files", "read", {"incident": "INC-1"}),
                ("", "agent:b", "git", "it's", {"reason": "100% 'quoted' INC-12"}),
            ]
        )
    ]
    write_deltalake(tmp_path / "t", to_batch([to_row(event, "w", i) for i, event in enumerate(events)]))
    ask = QueryBuilder().register("events", DeltaTable(tmp_path / "t")).execute
    for scope in (
        {"tenant": "default"},
        {"actor": "agent:a"},
        {"server": "files", "actor": "agent:b"},
        {"incident": "INC-1"},
        {"incident": "it's"},
        {"events": (events[3].id, events[0].id)},
        {"incident": "INC-9", "events": (events[2].id,), "tenant": "acme"},
        {"since": T + 1, "until": T + 3},
        {"actor": "' OR 1=1 --"},
    ):
        wanted = hold(**scope)
        rows = ask(f"SELECT id FROM events WHERE {condition(wanted).sql(dialect='postgres')}").read_all()
        in_lake = sorted(rows["id"].to_pylist()) if rows.num_rows else []
        assert in_lake == sorted(event.id for event in events if is_held(wanted, event)), scope
