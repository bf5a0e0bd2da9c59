"""A program of its own, not a module: gives up every right but those it is told, then becomes the server.

`_landlock.py SPEC PROGRAM ARGUMENT…`, where SPEC is JSON: `read` and `write` are paths, `abi` the version of Landlock
it was planned for, `network`, and `filter`, a seccomp program in hexadecimal. What it cannot give up ends it with 126
and a line on standard error: a server that was to be confined never runs without. Standard library only, `-I -S`.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import struct
import sys

CREATE, ADD, RESTRICT = 444, 445, 446
READ = 1 << 0 | 1 << 2 | 1 << 3
"""Execute, read a file, list a folder."""
FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
"""The rights that a file, which is no folder, can have."""
NODES = 1 << 6 | 1 << 9 | 1 << 11
"""Making devices and sockets: nobody gets these."""
_RIGHTS_OF = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI → how many rights over files it knows."""
_NETWORK_ABI, _SCOPE_ABI = 4, 6
_PATH = getattr(os, "O_PATH", 0)
_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]


def main() -> None:
    """Confine this process, then replace it."""
    spec = json.loads(sys.argv[1])
    if spec.get("unset"):  # this interpreter sets one variable by itself
        _libc.unsetenv(str(spec["unset"]).encode())
    try:
        confine(spec)
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 — it is to become the server; no shell
    except OSError as error:
        print(f"the sandbox could not start {sys.argv[2]}: {error}", file=sys.stderr)  # noqa: T201 — our log reads it
        sys.exit(126)


def confine(spec: dict[str, object]) -> None:
    """Privileges first, then paths, then system calls. Raises `OSError`."""
    abi = int(str(spec["abi"]))
    handled = (1 << max(count for known, count in _RIGHTS_OF.items() if known <= abi)) - 1
    _prctl(38, 1)  # no new privileges
    for capability in range(64):
        _libc.prctl(24, capability, 0, 0, 0)  # root only; for others there is nothing to drop
    network = 3 if abi >= _NETWORK_ABI and not spec["network"] else 0
    scoped = 3 if abi >= _SCOPE_ABI else 0  # abstract sockets, and signals to whoever is outside
    size = 24 if scoped else 16 if abi >= _NETWORK_ABI else 8
    attributes = struct.pack("<QQQ", handled, network, scoped)[:size]
    rules = _call(CREATE, attributes, size, 0)
    for paths, rights in ((spec["read"], READ), (spec["write"], handled & ~NODES), (spec["devices"], READ | FILE)):
        assert isinstance(paths, list)
        for path in paths:
            _allow(rules, path, rights & handled)
    _call(RESTRICT, rules, 0)
    program = bytes.fromhex(str(spec["filter"]))
    _prctl(22, 2, ctypes.addressof(_kept(program)))
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, _PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return  # what is not there for us is not there for it
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= FILE
        _call(ADD, rules, 1, struct.pack("<Qi", rights, handle), 0)
    finally:
        os.close(handle)


_alive: list[object] = []


def _kept(program: bytes) -> _Filter:
    """The kernel reads this by address, so it must stay where it is."""
    wanted = _Filter(len(program) // 8, program)
    _alive.extend((wanted, program))
    return wanted


def _call(number: int, *arguments: object) -> int:
    whole = [ctypes.c_long(part) if isinstance(part, int) else part for part in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *whole))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _prctl(option: int, first: int, second: int = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
