"""The system calls that a confined server does without, as a seccomp program. No I/O.

A path rule does not reach everything: a Unix socket is a way to other programs of the same user (a message bus that
starts commands, a container daemon, an agent with keys, our own control socket), and ring buffers and keyrings are
ways around. So these are refused by number, in every kind of sandbox alike.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EACCES, _ENOSYS = 13, 38
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_INET, _INET6, _NETLINK = 2, 10, 16
_RING = (425, 426, 427)
"""io_uring, which opens sockets without the call that does; the same numbers everywhere."""


class _Machine(NamedTuple):
    audit: int
    socket: int
    keyrings: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41, (248, 249, 250)),
    "aarch64": _Machine(0xC00000B7, 198, (217, 218, 219)),
}


def is_known(machine: str) -> bool:
    """Whether there is a filter for this machine (`os.uname().machine`)."""
    return machine in _MACHINES


def socket_filter(machine: str, *, network: bool) -> bytes:
    """The program, in the form of `struct sock_filter[]`: sockets of the internet families only, or none at all."""
    known = _MACHINES[machine]
    families = (_INET, _INET6, _NETLINK) if network else ()
    lines = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, known.audit),
        (_RETURN, 0, 0, _KILL),  # the calls of another machine have other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
    ]
    for number in (*_RING, *known.keyrings):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    lines += [(_EQUAL, 1, 0, known.socket), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in families:
        lines += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ERRNO | _EACCES))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
