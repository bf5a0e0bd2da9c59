"""Places that arguments name: where credentials lie, and from where things start by themselves. Rules are data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from watchkeeper.core.content import content_folder
from watchkeeper.inspection.rules import load_rules, options, portable

SECRET_PLACE = "secret_place"  # noqa: S105 — a label, not a password
AUTOSTART_PLACE = "autostart_place"


_PLAIN = re2.compile(
    rb'\{\s{0,4}"[a-z_]{1,20}"\s{0,4}:\s{0,4}"(?:LANG|LANGUAGE|LC_[A-Z]{2,14}|PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|PWD|'
    rb'EDITOR|NODE_ENV|PYTHONPATH|HOSTNAME|DISPLAY|TMPDIR|OS|ARCH)"\s{0,4}\}'
)
"""Arguments that ask for one variable of those that hold no secret, and for nothing else."""


class Places:
    """The rules, ready to be asked."""

    def __init__(self) -> None:
        self.rules = load_rules(content_folder("inspectors"), "places")
        self._found: list[tuple[str, Any]] = [
            (rule.label, re2.compile(portable(rule.pattern), options=options(rule.case))) for rule in self.rules
        ]

    def in_arguments(self, arguments: bytes) -> frozenset[str]:
        """The labels of the places that they name."""
        text = arguments.replace(b"\\/", b"/").replace(b"\\u002e", b".").replace(b"\\u002f", b"/")
        return frozenset(label for label, pattern in self._found if pattern.search(text))


def is_plain(arguments: bytes) -> bool:
    """Whether all that is asked for is one variable that holds no secret."""
    return bool(_PLAIN.fullmatch(arguments))


@lru_cache(maxsize=1)
def places() -> Places:
    """The rules that come with the product. Raises `Misconfigured`."""
    return Places()
