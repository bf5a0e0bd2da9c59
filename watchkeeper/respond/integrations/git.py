"""Git as a subprocess, and nothing that a repository could make it run. Obligations, and what each one stops:

1. No shell, arguments one by one, `--end-of-options` before a name (a commit called `--output=…`).
2. A commit is named by its whole hexadecimal name; a branch by letters, digits, `/ . _ -` (`refs/…@{…}`, `a..b`, `-x`).
3. No hook, no filesystem monitor, no external or text-converting diff, no signing program, no other transport than
   https, ssh and files, no redirect, no question on a terminal; nobody's configuration but the repository's own.
4. Nothing is checked out: no filter of the repository runs, and whoever works in the clone is not disturbed.
5. The whole takes seconds, whatever it started ends with it, and its output has a bound.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.core.text import visible

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCH = re.compile(r"(?!.*(?:\.\.|//|\.lock(?:/|$)|/\.|\.(?:/|$)))[A-Za-z0-9][A-Za-z0-9._/-]{0,199}(?<![/.])")
REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST = 64 << 20
_SAID = 300
_FIXED = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "commit.gpgSign=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "protocol.allow=never"),
    *("-c", "protocol.https.allow=always"),
    *("-c", "protocol.ssh.allow=always"),
    *("-c", "protocol.file.allow=always"),
    *("-c", "http.followRedirects=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.attributesFile="),
)
_PASSED_ON = ("PATH", "HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Git:
    """One clone."""

    def __init__(self, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._environment = {name: environment[name] for name in _PASSED_ON if name in environment} | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "LC_ALL": "C",
        }

    def ask(self, *arguments: str, given: bytes = b"", extra: Mapping[str, str] | None = None) -> bytes:
        """Its output. Raises `Invalid` with what it said when it failed, `Unavailable` when it took too long."""
        code, out, said = self.attempt(arguments, given, extra)
        if code != 0:
            raise Invalid(f"git {arguments[0]} failed: {said}", hint="look at the clone that the settings name")
        return out

    def attempt(
        self, arguments: Sequence[str], given: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, str]:
        """Exit code, output, and what it said. Raises `Unavailable`."""
        command = ["git", *_FIXED, "-C", str(self._folder), *arguments]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(  # noqa: S603 — no shell, and arguments that were looked at
                    command,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=errors,
                    env=self._environment | dict(extra or {}),
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"git cannot be run: {error.strerror}", hint="install git") from error
            try:
                process.communicate(given, timeout=self._seconds)
            except subprocess.TimeoutExpired as error:
                raise Unavailable(f"git {arguments[0]} took longer than {self._seconds:g} seconds") from error
            finally:
                _end(process)
            if out.tell() > _LARGEST:
                raise Invalid(f"git {arguments[0]} said more than {_LARGEST} bytes", hint="revert it by hand")
            out.seek(0)
            errors.seek(0)
            said = errors.read(4 * _SAID).decode("utf-8", errors="replace").strip()
            return process.returncode, out.read(), visible(said, limit=_SAID)

    def line(self, *arguments: str, given: bytes = b"", extra: Mapping[str, str] | None = None) -> str:
        """Its output as one line."""
        return self.ask(*arguments, given=given, extra=extra).decode("utf-8", errors="replace").strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and whatever it started: a helper that waits for a remote would wait for ever."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
