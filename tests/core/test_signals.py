"""A wish to stop that comes by a signal."""

from __future__ import annotations

import subprocess
import sys
import threading

from watchkeeper.core.signals import Wish

STORM = """
import signal
from watchkeeper.core.signals import Wish

came = 0
wishes = [Wish()]

def handler(*_):
    global came
    came += 1
    wishes[-1].set()

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
while came < 3000:
    wish = Wish()
    wishes.append(wish)
    while not wish.wait(0.00005):
        pass
    wishes.pop(0).close()
signal.setitimer(signal.ITIMER_REAL, 0)
print("ended")
"""


def test_a_wish_is_heard_wherever_its_signal_comes() -> None:
    # with threading.Event in its place this hangs: the signal comes while the main thread holds the event's lock
    run = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, check=False, timeout=100)
    assert (run.returncode, run.stdout) == (0, "ended\n"), run.stderr


def test_threads_hear_it_too_and_it_stays() -> None:
    with Wish() as wish:
        assert not wish.wait(0)
        heard = threading.Event()
        thread = threading.Thread(target=lambda: wish.wait() and heard.set())
        thread.start()
        wish.set()
        wish.set()
        thread.join()
        assert heard.is_set()
        assert wish.is_set()
        assert wish.wait(0)
        wish.clear()
        assert not wish.wait(0)
        wish.set()
        assert wish.wait(0)
