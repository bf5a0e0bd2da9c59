from __future__ import annotations

import threading

from watchkeeper.policy.bounded import Bounded


def test_the_oldest_entry_is_forgotten_first() -> None:
    kept: Bounded[int] = Bounded(3)
    for number in (1, 2, 3, 4):
        assert kept.put(number, number * 10) == number * 10
    assert kept == {2: 20, 3: 30, 4: 40}
    kept.clear()
    for number in range(9):
        kept.put(number, 0)
    assert list(kept) == [6, 7, 8]


def test_many_threads_do_not_make_it_grow() -> None:
    kept: Bounded[int] = Bounded(50)

    def work(first: int) -> None:
        for number in range(5_000):
            kept.put((first + number) % 400, number)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(400, 500):
        kept.put(number, 0)
    assert list(kept) == list(range(450, 500))
