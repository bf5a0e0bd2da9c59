"""Legal holds: who deletes asks first, what is not said is taken to be anything, and a damaged register forbids all."""

from __future__ import annotations

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
