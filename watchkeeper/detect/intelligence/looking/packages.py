"""Packages that an event runs or installs: `npx -y @scope/name@1.2`, `uvx name`, `pip install name==1.0`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from watchkeeper.detect.intelligence.values import package

_RUNNERS = {
    b"npx": "npm", b"bunx": "npm", b"pnpx": "npm", b"npm": "npm", b"pnpm": "npm", b"yarn": "npm", b"bun": "npm",
    b"uvx": "pypi", b"pipx": "pypi", b"pip": "pypi", b"pip3": "pypi", b"uv": "pypi", b"poetry": "pypi",
    b"docker": "oci", b"podman": "oci", b"cargo": "cargo", b"gem": "gem",
}  # fmt: skip
RUNNERS = frozenset(_RUNNERS)
_VERBS = frozenset({b"install", b"i", b"add", b"run", b"exec", b"dlx", b"x", b"create", b"pull", b"tool", b"pip"})
_MOST = 8
"""Words after a runner that are looked at."""


def packages(words: Sequence[bytes]) -> Iterator[str]:
    """Each in its one form, with its version where one is named."""
    for at, word in enumerate(words):
        ecosystem = _RUNNERS.get(word.rpartition(b"/")[2])
        if ecosystem is None:
            continue
        for following in words[at + 1 : at + 1 + _MOST]:
            if following[:1] == b"-" or following in _VERBS:
                continue
            named = _named(ecosystem, following.decode("utf-8", "replace"))
            if named:
                yield named
            if word not in (b"pip", b"pip3", b"npm"):
                break


def is_about_packages(words: Iterable[bytes]) -> bool:
    """Whether a runner is among them."""
    return not _RUNNERS.keys().isdisjoint(words)


def _named(ecosystem: str, text: str) -> str:
    if ecosystem == "pypi":
        name, _, version = text.partition("==")
        text = f"{name.partition('[')[0]}@{version}" if version else text
    elif ecosystem == "oci":
        name, colon, tag = text.rpartition(":")
        text = f"{name}@{tag}" if colon and "/" not in tag else text
    return package(f"{ecosystem}/{text}")
