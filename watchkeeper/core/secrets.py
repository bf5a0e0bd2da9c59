"""Secrets by reference, and a wrapper that no log, event or traceback prints.

Settings name a secret as `env:NAME` or `file:PATH`; what stands there is read once, by whoever is handed the
environment. Files may be readable by others (secrets that an orchestrator mounts are), but not writable by them.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from watchkeeper.core.errors import Misconfigured

_REFERENCE = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9-]*) )?(?P<kind>env|file):(?P<name>.+)", re.DOTALL)
_LARGEST = 65_536
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Secret:
    """A value that is shown as `…` wherever it is not asked for by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied into files")


def is_reference(text: str) -> bool:
    """Whether a setting names a secret, perhaps behind an authentication scheme: `Bearer env:TOKEN`."""
    return _REFERENCE.fullmatch(text) is not None


class SecretReader:
    """Reads what references name. Raises `Misconfigured`, naming the setting and never the value."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def read(self, setting: str, text: str) -> Secret:
        """The secret behind a reference; text that is none is refused: a secret does not belong into settings."""
        if not text:
            return Secret("")
        if not is_reference(text):
            raise Misconfigured(f"{setting}: a secret is written by reference", hint='write "env:NAME" or "file:PATH"')
        return self.expand(setting, text)

    def expand(self, setting: str, text: str) -> Secret:
        """The secret behind a reference, its scheme kept; any other text as it is."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            return Secret(text)
        value = self._variable if found["kind"] == "env" else _file
        scheme = f"{found['scheme']} " if found["scheme"] else ""
        return Secret(scheme + value(setting, found["name"]))

    def _variable(self, setting: str, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise Misconfigured(f"{setting}: the variable {name} is not set", hint="set it where the service starts")
        return value


def _file(setting: str, name: str) -> str:
    path = Path(name)
    try:
        mode = path.stat().st_mode
        data = path.read_bytes() if stat.S_ISREG(mode) and path.stat().st_size <= _LARGEST else b""
    except OSError as error:
        raise Misconfigured(f"{setting}: cannot read {name}: {error.strerror}", hint="check path and mode") from error
    if mode & _OTHERS_WRITE:
        raise Misconfigured(f"{setting}: {name} can be written by others", hint=f"chmod go-w {name}")
    try:
        value = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{setting}: {name} is not text", hint="one secret, in UTF-8") from error
    if not value:
        raise Misconfigured(f"{setting}: {name} holds no secret", hint="one secret, in UTF-8, below 64 KB")
    return value
