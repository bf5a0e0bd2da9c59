"""Lives of the child process at little cost: a process that has imported everything, and has read the built-in
playbooks, forks them. Linux only.

`python zygote.py FD` takes orders over that socket: the words of a life, with its three standard streams. It says the
process id of each life, and how each ended. When the socket closes it kills what still lives, and ends.
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import NoReturn

from tests.respond import child
from watchkeeper.core.content import content_folder
from watchkeeper.respond import shelf
from watchkeeper.respond.service import load_actions

_LOOK = 0.01
"""Seconds between two looks for lives that have ended."""


def read_playbooks() -> None:
    """Have lives find the built-in playbooks read: half of their processor time would go into that."""
    actions, read = load_actions(), shelf.load_file
    known = {path: read(path, actions) for path in content_folder("playbooks").glob("*.yaml")}
    shelf.load_file = lambda path, actions: known[path] if path in known else read(path, actions)


def main(orders: socket.socket) -> None:
    """Until nobody gives orders any more."""
    read_playbooks()
    lives: set[int] = set()
    try:
        while True:
            if select.select([orders], [], [], _LOOK if lives else None)[0]:
                said, streams = _received(orders)
                if not said:
                    return
                pid = os.fork()
                if not pid:
                    _live(orders, json.loads(said), streams)
                lives.add(pid)
                for stream in streams:
                    os.close(stream)
                orders.send(json.dumps({"begun": pid}).encode())
            while lives and (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                lives.discard(ended[0])
                orders.send(json.dumps({"ended": ended[0], "code": os.waitstatus_to_exitcode(ended[1])}).encode())
    finally:
        for pid in lives:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _live(orders: socket.socket, words: list[str], streams: list[int]) -> NoReturn:
    code = 70
    try:
        orders.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        code = child.main(child.arguments(words))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _received(orders: socket.socket) -> tuple[bytes, list[int]]:
    said, streams, _, _ = socket.recv_fds(orders, 64 * 1024, 3)
    return said, list(array.array("i", streams))


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
