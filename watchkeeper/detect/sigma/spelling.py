"""Names of members as rules spell them, where a record spells them in other letter case: `commandline`, `Commandline`.

Sigma's names mean the same in any case to most engines that carry out its rules. Whatever a record has under the very
name that a rule reads stays what the rule sees. Belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_MOST = 20_000
"""Names that are remembered as needing nothing."""
_LONGEST = 128


class Spelling:
    """The names that some rules read."""

    def __init__(self, fields: Iterable[str]) -> None:
        self._exact = frozenset(fields)
        self._plain = set(self._exact)
        self._spelled: dict[str, list[str]] = {}
        for name in sorted(self._exact):
            self._spelled.setdefault(name.casefold(), []).append(name)

    def spelled(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with the names that rules read beside its own; the record itself where nothing is missing."""
        if record.keys() <= self._plain:
            return record
        more: dict[str, Any] = {}
        for name in record.keys() - self._plain:
            if wanted := self._spelled.get(name.casefold()):
                more |= {one: record[name] for one in wanted if one not in record}
            elif len(self._plain) < _MOST and len(name) <= _LONGEST:
                self._plain.add(name)
        return record | more if more else record
