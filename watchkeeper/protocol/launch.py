"""A command made ready to be started: its environment, its private folders, its sandbox. Starts nothing itself."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.protocol.grants import Confinement, Grants, grants_for, unseen
from watchkeeper.protocol.sandbox import Arranged, Kind, Sandbox

INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "SHELL",
    "TERM",
)
"""The only variables of our own environment that a server gets."""

_OURS = "WATCHKEEPER_"
_SCRATCH = "watchkeeper-server-"
_log = logging.getLogger(__name__)


class Command(msgspec.Struct, frozen=True):
    """What to start: from settings only, never from a message."""

    argv: tuple[str, ...]
    """The program and its arguments."""
    env: dict[str, str] = {}
    """Variables beside the inherited ones; their values are taken to be secret."""
    cwd: str = ""
    """An existing folder; empty for a private one that is removed afterwards."""
    confinement: Confinement | None = None
    """Its sandbox; None for none."""

    def check(self) -> None:
        """Raises `Misconfigured` when this can never be started."""
        if not self.argv or not self.argv[0] or any("\0" in part for part in self.argv):
            raise Misconfigured(
                "a server's command is empty or holds a NUL", hint='write command = ["program", "argument"]'
            )
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name + value or name.startswith(_OURS):
                raise Misconfigured(f"a server cannot be given the variable {name!r}", hint="choose another name")
        if self.cwd and not Path(self.cwd).is_dir():
            raise Misconfigured(f"the working folder {self.cwd} does not exist", hint="make it, or leave cwd out")
        for path in (*self.confinement.read, *self.confinement.write) if self.confinement else ():
            if not path.startswith("/") or "\0" in path:
                raise Misconfigured(f"{path!r} is not a full path", hint="a sandbox's paths begin with /")


def environment_for(command: Command, host: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the child: nothing else is inherited. Exported shell functions are left out."""
    kept = {name: host[name] for name in INHERITED if name in host and not host[name].startswith("()")}
    return {"PATH": os.defpath} | kept | command.env


class Launch(msgspec.Struct, frozen=True):
    """A command made ready for this host."""

    arranged: Arranged
    env: dict[str, str]
    cwd: str
    scratch: str
    """A private folder that is removed afterwards; empty without one."""


def prepare(command: Command, kind: Kind, host: Mapping[str, str], sandbox: Sandbox, hidden: Sequence[str]) -> Launch:
    """What to start, confined by `kind`. Whoever gets it must `remove` its scratch folder.

    Raises `Unavailable` when the host has no such program, `Misconfigured` when no host could start it.
    """
    command.check()
    env = environment_for(command, host)
    program = shutil.which(command.argv[0], path=env["PATH"])
    if program is None:
        raise Unavailable(f"there is no program {command.argv[0]!r}", hint="install it, or write its full path")
    argv = [os.path.abspath(program), *command.argv[1:]]
    confinement = command.confinement
    if confinement is None or not kind.confines:
        scratch = "" if command.cwd else tempfile.mkdtemp(prefix=_SCRATCH)
        return Launch(Arranged(argv, kind), env, command.cwd or scratch, scratch)
    scratch = tempfile.mkdtemp(prefix=_SCRATCH)
    own = {name: f"{scratch}/{name}" for name in ("home", "tmp", "work")}
    for folder in own.values():
        os.mkdir(folder, 0o700)
    cwd = command.cwd or own["work"]
    writable = [scratch, *([command.cwd] if command.cwd else [])]
    grants = grants_for(confinement, argv[0], env["PATH"], home=env.get("HOME", "/"), writable=writable, hidden=hidden)
    _warn_of_unseen(argv, grants)
    env = env | {"HOME": own["home"], "TMPDIR": own["tmp"]} | command.env
    arranged = sandbox.arrange(kind, argv, grants, cwd=cwd, network=confinement.network, tmp=own["tmp"], env=env)
    return Launch(arranged, env, cwd, scratch)


def remove(scratch: str) -> None:
    """Remove a launch's private folder."""
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


def _warn_of_unseen(argv: Sequence[str], grants: Grants) -> None:
    if missing := unseen(argv[1:], grants):
        _log.warning(
            "a server's command names files that its sandbox does not show: %s; add them to its read or write",
            ", ".join(missing),
        )
