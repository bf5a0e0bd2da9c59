"""What a confined server may see of the file system: which paths, read or write, and what is cut out of them.

Only paths are computed here; `sandbox` has the kernel enforce them. Nothing is guessed from a command's arguments: a
server that works on files is told so in its settings. The program itself, the installation around it and the
interpreter that its first line names are granted for reading, or it could not start.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
"""Programs and libraries of the host."""
SETTINGS = (
    *("ssl", "pki", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
    *("resolv.conf", "hosts", "host.conf", "nsswitch.conf", "gai.conf", "protocols", "services", "hostname"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "os-release", "debian_version", "mime.types"),
    *(
        "localtime",
        "timezone",
        "passwd",
        "group",
        "locale.alias",
        "locale.conf",
        "fonts",
        "java",
        "python3",
        "gitconfig",
    ),
)
"""Of `/etc`: what programs need to find libraries, hosts, certificates and names of users. No secrets lie in these."""
KERNEL = ("/sys/fs/cgroup", "/sys/devices/system/cpu")
"""How much of the machine is ours, as runtimes ask."""
_LONGEST_CHAIN = 16
_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "libexec"})


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """What one server's settings say of its sandbox."""

    mode: str = "auto"
    """`auto`: the best the host has; `require`: no start without; `off`: none."""
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    network: bool = True


class Grants(NamedTuple):
    """Paths as they are written; a sandbox sees each of them, with everything beneath, and nothing else."""

    read: tuple[str, ...]
    write: tuple[str, ...]
    hidden: tuple[str, ...]
    """Resolved; never seen, whatever lies around them."""


def grants_for(
    confinement: Confinement, program: str, search: str, *, home: str, writable: Iterable[str], hidden: Iterable[str]
) -> Grants:
    """What a server started as `program` sees. `search` is its `PATH`, `home` the real home of its user.

    Obligations: nothing that holds only secrets is granted, and nothing hidden is, by whatever name it is reached (a
    server that reads our keys could forge the journal); nor can what lies around it be moved from its place (the next
    server would find it under another name).
    """
    secret = tuple(os.path.realpath(path) for path in hidden)
    fixed = (*SYSTEM, *(f"/etc/{name}" for name in SETTINGS), *KERNEL)
    wanted = (*fixed, *needs_of(program, search, home), *_both(confinement.read))
    own = _allowed(_both((*confinement.write, *writable)), secret)
    missing = [path for path in secret if not os.path.exists(path)]
    write = _widest(part for path in own for part in _around(path, secret, secret))
    read = _widest(part for path in _allowed(wanted, secret) for part in _around(path, missing, secret))
    return Grants(tuple(path for path in read if not _lies_in(path, write)), write, secret)


def needs_of(program: str, search: str, home: str) -> Iterator[str]:
    """The program, the links on the way to it, the installations around each, and the same of its interpreter."""
    for _ in range(_LONGEST_CHAIN):
        for place in _chain(Path(program)):
            yield str(place)
            yield from _installation(place, Path(home))
        interpreter = _interpreter(program, search)
        if interpreter is None:
            return
        program = interpreter


def unseen(arguments: Iterable[str], grants: Grants) -> list[str]:
    """Arguments that are the paths of existing files a sandbox does not show: a start with these is bound to fail."""
    absolute = [part for part in arguments if part.startswith("/") and os.path.exists(part)]
    return [part for part in absolute if not _lies_in(os.path.realpath(part), _resolved(grants))]


def parts_without(path: str, hidden: Iterable[str]) -> list[str]:
    """`path`, or, where something hidden lies in it, its parts that hold nothing of that. All are resolved paths."""
    inside = [secret for secret in hidden if _lies_in(secret, (path,))]
    if not inside:
        return [path]
    if path in inside or not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        parts = [entry.path for entry in entries if not entry.is_symlink()]
    return [kept for part in parts for kept in parts_without(part, inside)]


def _chain(place: Path) -> Iterator[Path]:
    for _ in range(_LONGEST_CHAIN):
        yield place
        if not place.is_symlink():
            break
        place = Path(os.path.normpath(place.parent.resolve() / os.readlink(place)))
    yield place.resolve()


def _installation(place: Path, home: Path) -> Iterator[str]:
    """`/opt/tool` for `/opt/tool/bin/run`, and what a virtual environment is built upon; never a whole home."""
    root = place.parent.parent
    if place.parent.name not in _PROGRAM_FOLDERS or _lies_in(str(home), (str(root),)) or root == home / ".local":
        return
    yield str(root)
    try:
        lines = (root / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        name, _, value = line.partition("=")
        if name.strip() == "home":
            yield from _installation(Path(value.strip()) / "python", home)
    yield from _modules(root, home)


def _modules(root: Path, home: Path) -> Iterator[str]:
    """Where a Python environment says it keeps further modules, as it does of packages installed to be edited."""
    for listing in root.glob("lib/python*/site-packages/*.pth"):
        try:
            lines = listing.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        yield from (line for line in lines if line.startswith("/") and not _lies_in(str(home), (line,)))


def _interpreter(program: str, search: str) -> str | None:
    """What the first line of a script names."""
    try:
        with open(program, "rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = line[2:].decode(errors="replace").split()
    if words and words[0].endswith("/env"):
        names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return shutil.which(names[0], path=search) if names else None
    return words[0] if words else None


def _around(path: str, uncoverable: Iterable[str], hidden: Iterable[str]) -> list[str]:
    """`path`, or those of its parts that can be given away without what is hidden in it.

    For writing always: what is covered could be moved with what lies around it. For reading where there is nothing to
    cover yet, and would be later.
    """
    real = os.path.realpath(path)
    return parts_without(real, hidden) if any(_lies_in(secret, (real,)) for secret in uncoverable) else [path]


def _both(paths: Iterable[str]) -> Iterator[str]:
    """Each path as it is written, and where its links lead."""
    for path in paths:
        yield os.path.normpath(path)
        yield os.path.realpath(path)


def _allowed(paths: Iterable[str], secret: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path) and not _lies_in(os.path.realpath(path), secret)]


def _widest(paths: Iterable[str]) -> tuple[str, ...]:
    """Without those that lie in another."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not _lies_in(path, kept):
            kept.append(path)
    return tuple(kept)


def _resolved(grants: Grants) -> tuple[str, ...]:
    return tuple(os.path.realpath(path) for path in (*grants.read, *grants.write))


def _lies_in(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
