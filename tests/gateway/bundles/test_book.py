"""Versions only rise, what is in force is the last move, and going back is said with who and why."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.bundles.conftest import Make, events
from watchkeeper.app.platform import Platform
from watchkeeper.core.errors import Invalid, NotFound, Untrusted, WatchkeeperError
from watchkeeper.gateway.bundles import BundleBook

BY = "operator:ada"


def test_installed_is_not_in_force_until_it_is_activated(book: BundleBook, make: Make, platform: Platform) -> None:
    installed = book.install(make(1), BY)
    assert (installed.version, installed.signers, installed.installed_by) == (1, ("ann",), BY)
    assert book.order() is None
    move = book.activate(1, BY)
    order = book.order()
    assert order is not None
    assert (order.stamp, order.envelope) == (move.stamp, make(1).raw)
    assert book.stamp() == move.stamp
    kinds = [event.kind for event in events(platform.data_dir)]
    assert kinds == ["policy.bundle.installed", "policy.bundle.activated"]


@pytest.mark.behaviour("policy.bundle-no-replay")
def test_an_older_version_and_a_second_of_one_number_are_refused(book: BundleBook, make: Make) -> None:
    for version in (1, 3):
        book.install(make(version), BY)
        book.activate(version, BY)
    for signed in (make(1), make(2), make(3, "// other\n")):
        with pytest.raises(Untrusted, match="not newer"):
            book.install(signed, BY)
    assert [move.version for move in book.moves()] == [1, 3]
    assert book.install(make(3), BY).version == 3
    assert book.activate(3, BY) == book.moves()[-1]


@pytest.mark.behaviour("policy.rollback")
def test_going_back_is_a_move_of_its_own_and_the_way_forward_stays_closed(
    book: BundleBook, make: Make, platform: Platform
) -> None:
    for version in (1, 2):
        book.install(make(version), BY)
        book.activate(version, BY)
    assert book.before() == 1
    back = book.roll_back(1, "operator:bob", "calls fail")
    assert (back.kind, back.version, back.by, back.reason) == ("rolled_back", 1, "operator:bob", "calls fail")
    assert [move.stamp for move in book.moves()] == sorted({move.stamp for move in book.moves()})
    with pytest.raises(Untrusted):
        book.install(make(2, "// other\n"), BY)
    with pytest.raises(Invalid, match="reason"):
        book.roll_back(2, BY, " ")
    with pytest.raises(NotFound):
        book.roll_back(9, BY, "r")
    with pytest.raises(NotFound):
        book.before()
    (event,) = [event for event in events(platform.data_dir) if event.kind == "policy.bundle.rolled_back"]
    assert (event.actor, event.body["reason"], event.body["before"]) == ("operator:bob", "calls fail", 2)


@pytest.mark.behaviour("policy.bundle-one-wins")
def test_of_many_that_install_at_once_one_wins(book: BundleBook, make: Make) -> None:
    outcomes: list[str] = []
    line = threading.Barrier(6)

    def install(number: int) -> None:
        signed = make(5, f"// {number}\n")
        line.wait(10)
        try:
            book.install(signed, BY)
            book.activate(5, BY)
            outcomes.append("installed")
        except WatchkeeperError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=install, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["installed"] + ["untrusted"] * 5
    assert len(book.list()) == len(book.moves()) == 1
