"""Confining a server that we start: bubblewrap where the host allows it, else Landlock, else nothing, and said so.

Above: `spawn`, which starts what is arranged here. Below: `grants` says which paths, `_filter` which system calls,
`_landlock` is the program that confines itself. What each kind stops, and which attack that is:

1. Reading and writing beyond the granted paths (a poisoned tool that collects keys and tokens). Our own folders are
   cut out of every grant (forged orders, pins and journals).
2. Unix sockets, keyrings, io_uring (asking an agent, a message bus or a container daemon to do it instead).
3. All sockets where the route has no network (carrying out what was read).
4. Privileges: none are kept and none can be gained (set-user-id programs; capabilities when we run as root).
5. Bubblewrap alone: other processes are out of sight, and all that was started ends with the first, whatever session it
   moved to. Landlock before ABI 6 does not stop signals to other processes of the same user.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.protocol._filter import is_known, socket_filter
from watchkeeper.protocol.grants import Confinement, Grants, parts_without

KINDS = ("bubblewrap", "landlock")
"""From the strongest."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PROCESSES = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/sys",
    "/proc/uptime",
)
_LAUNCHER = Path(__file__).with_name("_landlock.py")
_ALONE = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent")
_USERS = (("--unshare-user", "--disable-userns"), ("--unshare-user-try",))
"""The first where bubblewrap is new enough: no further namespace can be made inside, and so no privilege regained."""
_PATIENCE = 10.0


class Kind(msgspec.Struct, frozen=True):
    """What confines servers on this host, as events and `status` name it."""

    name: str
    """`bubblewrap`, `landlock` or `none`."""
    detail: str = ""
    """Landlock's ABI, or why there is none."""
    users: tuple[str, ...] = ()
    """Bubblewrap's options for the user namespace."""

    @property
    def label(self) -> str:
        if self.name == "landlock":
            return f"landlock abi {self.detail}"
        return self.name if not self.detail else f"{self.name}: {self.detail}"

    @property
    def confines(self) -> bool:
        return self.name != "none"


Names = Collection[str]
OFF = Kind("none", "switched off in the server's settings")


class Arranged(msgspec.Struct, frozen=True):
    """What to start instead of the server, which it becomes or starts."""

    argv: list[str]
    kind: Kind
    program: bytes = b""
    """A seccomp program, to be read by what is started from an open descriptor."""
    place: int = -1
    """Which of `argv` is to be the number of that descriptor; -1 when none is."""


class Sandbox:
    """This host's ways to confine a server, tried once and really. Safe for threads."""

    def __init__(self, kinds: Sequence[str] = KINDS, *, search: str = os.defpath) -> None:
        """`kinds` in the order they are tried; `search` is a `PATH` on which bubblewrap is looked for."""
        self._kinds = tuple(kinds)
        self._search = search
        self._found: Kind | None = None
        self._trying = threading.Lock()

    def kind(self) -> Kind:
        """The best that works here. Blocking the first time, for some tens of milliseconds."""
        with self._trying:
            if self._found is None:
                self._found = self._try_all()
            return self._found

    def kind_for(self, confinement: Confinement) -> Kind:
        """What this server will be confined by. Raises `Unavailable` when it must be, and cannot."""
        if confinement.mode == "off":
            return OFF
        kind = self.kind()
        if confinement.mode == "require" and not kind.confines:
            raise Unavailable(
                f"the server must not start without a sandbox, and this host has none: {kind.detail}",
                hint='install bubblewrap, or set sandbox = "auto" to start it all the same',
            )
        return kind

    def arrange(
        self,
        kind: Kind,
        argv: Sequence[str],
        grants: Grants,
        *,
        cwd: str,
        network: bool,
        tmp: str = "",
        env: Names = (),
    ) -> Arranged:
        """How to start `argv`, whose first is the full path of a program, so that it is confined.

        Where folders can be put elsewhere `tmp` stands at `/tmp`. `env` are the names of the server's variables.
        """
        if not kind.confines:
            return Arranged(list(argv), kind)
        program = socket_filter(os.uname().machine, network=network)
        if kind.name == "bubblewrap":
            wrapped = [self._bubblewrap(), *_ALONE, *kind.users, "--cap-drop", "ALL", *_view(grants, tmp)]
            if not network:
                wrapped.append("--unshare-net")
            wrapped += ["--seccomp", ""]
            return Arranged([*wrapped, "--chdir", cwd, "--", *argv], kind, program, len(wrapped) - 1)
        spec = {
            "abi": int(kind.detail),
            "read": [*_resolved_parts(grants.read, grants), *_PROCESSES],
            "write": _resolved_parts(grants.write, grants),
            "devices": DEVICES,
            "network": network,
            "filter": program.hex(),
            "unset": "" if "LC_CTYPE" in env else "LC_CTYPE",
        }
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), msgspec.json.encode(spec).decode()]
        return Arranged([*launcher, *argv], kind)

    def _bubblewrap(self) -> str:
        return shutil.which("bwrap", path=self._search) or "bwrap"

    # -- trying

    def _try_all(self) -> Kind:
        reasons: list[str] = []
        if not is_known(os.uname().machine) or sys.platform != "linux":
            return Kind("none", f"there is no sandbox for {sys.platform} on {os.uname().machine} yet")
        for name in self._kinds:
            tries: Callable[[], Kind] = self._try_bubblewrap if name == "bubblewrap" else self._try_landlock
            try:
                return tries()
            except Unavailable as error:
                reasons.append(error.reason)
        return Kind("none", "; ".join(reasons) or "no kind of sandbox is to be used")

    def _try_bubblewrap(self) -> Kind:
        if shutil.which("bwrap", path=self._search) is None:
            raise Unavailable("bubblewrap is not installed")
        said = ""
        for users in _USERS:
            kind = Kind("bubblewrap", users=users)
            said = self._trial(kind)
            if not said:
                return kind
        raise Unavailable(f"bubblewrap does not work here ({said})")

    def _try_landlock(self) -> Kind:
        abi = int(ctypes.CDLL(None, use_errno=True).syscall(*map(ctypes.c_long, (444, 0, 0, 1))))
        if abi < 1:
            raise Unavailable("the kernel has no Landlock, or it is switched off")
        kind = Kind("landlock", str(abi))
        if said := self._trial(kind):
            raise Unavailable(f"Landlock does not work here ({said})")
        return kind

    def _trial(self, kind: Kind) -> str:
        """Have `cat` read one file it may and one it may not: why this kind does not hold; empty when it does."""
        cat = shutil.which("cat", path=self._search) or "/bin/cat"
        with tempfile.TemporaryDirectory(prefix="watchkeeper-trial-") as folder:
            shown, canary = Path(folder, "shown"), Path(folder, "canary")
            for place in (shown, canary):
                place.mkdir()
                (place / "word").write_text(place.name)
            fixed = ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/nix/store", "/gnu/store")
            grants = Grants((*(path for path in fixed if os.path.exists(path)), str(shown)), (), ())
            argv = [cat, str(shown / "word"), str(canary / "word")]
            try:
                done = run_arranged(self.arrange(kind, argv, grants, cwd="/", network=False))
            except (OSError, subprocess.SubprocessError) as error:
                return str(error)
            if done.stdout[-6:] == b"canary":
                return "it hides nothing"
            if done.stdout != b"shown":
                said = done.stderr.decode(errors="replace").strip().partition("\n")[0][:200]
                return said or f"exit code {done.returncode}"
        return ""


def run_arranged(arranged: Arranged) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end, blocking, for a few seconds at most."""
    with lent(arranged) as (argv, handles):
        return subprocess.run(  # noqa: S603 — our own trial
            argv, capture_output=True, timeout=_PATIENCE, pass_fds=handles, check=False, env={}, cwd="/"
        )


class lent:
    """The arguments with the filter's descriptor in them, for as long as it takes to start."""

    def __init__(self, arranged: Arranged) -> None:
        self._arranged = arranged
        self._handle = -1

    def __enter__(self) -> tuple[list[str], tuple[int, ...]]:
        argv = list(self._arranged.argv)
        if self._arranged.place < 0:
            return argv, ()
        self._handle, writing = os.pipe()
        os.write(writing, self._arranged.program)  # a few hundred bytes: a pipe holds them
        os.close(writing)
        argv[self._arranged.place] = str(self._handle)
        return argv, (self._handle,)

    def __exit__(self, *_: object) -> None:
        if self._handle >= 0:
            os.close(self._handle)


def _resolved_parts(paths: Sequence[str], grants: Grants) -> list[str]:
    """A rule holds for what a path leads to, so that is where hidden things are looked for."""
    real = dict.fromkeys(map(os.path.realpath, paths))
    return [part for path in real for part in parts_without(path, grants.hidden)]


def _view(grants: Grants, tmp: str) -> list[str]:
    """Bubblewrap's arguments for a file system of the granted paths and nothing else; what contains comes first."""
    place = "/tmp"  # noqa: S108 — its own
    steps = [("/dev", ["--dev", "/dev"]), ("/proc", ["--proc", "/proc"])]
    steps.append((place, ["--bind", tmp, place] if tmp else ["--tmpfs", place]))
    for path, how in [(path, "--ro-bind") for path in grants.read] + [(path, "--bind") for path in grants.write]:
        if path.startswith(("/dev/", "/proc/")) or path in ("/dev", "/proc"):
            continue
        if os.path.islink(path) and path.count("/") == 1:  # /bin is a link to usr/bin
            steps.append((path, ["--symlink", os.readlink(path), path]))
            continue
        steps.append((path, [how, path, path]))
        real = os.path.realpath(path)
        for secret in grants.hidden:
            if secret.startswith(real.rstrip("/") + "/"):
                covered = path.rstrip("/") + secret.removeprefix(real.rstrip("/"))
                is_folder = os.path.isdir(secret)
                hide = (
                    ["--tmpfs", covered, "--remount-ro", covered] if is_folder else ["--ro-bind", os.devnull, covered]
                )
                steps.append((covered, hide))
    ordered = [part for _, step in sorted(steps, key=lambda step: step[0]) for part in step]
    return [*ordered, "--remount-ro", "/"]
