"""Whose name it is: a member's prefix in front, and nobody else's. Pure.

Obligations, and what each one stops:

1. No prefix begins another (settings), so a prefixed name has one owner, whatever the members call their tools.
2. The member without a prefix never owns a name that begins with another's prefix, nor one that only looks so: it could
   stand in for the other's tool (shadowing).
3. A hidden tool is neither listed nor called.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import re2

from watchkeeper.gateway.aggregate.model import Member, NotServed

UNKNOWN = "endpoint.unknown"
HIDDEN = "endpoint.hidden"


class Names:
    """One endpoint's."""

    def __init__(self, members: Sequence[Member], only: Iterable[str] = (), hide: Iterable[str] = ()) -> None:
        self._prefixed = [member for member in members if member.prefix]
        self._bare = next((member for member in members if not member.prefix), None)
        self._looks = [_look(member.prefix) for member in self._prefixed]
        self._only = _compiled(only)
        self._hide = _compiled(hide)

    def owner(self, shown: str) -> tuple[Member, str]:
        """The member that a name belongs to, and the name there. Raises `NotServed`."""
        for member in self._prefixed:
            if shown.startswith(member.prefix):
                return member, shown[len(member.prefix) :]
        if self._bare is not None and not self._is_anothers(shown):
            return self._bare, shown
        raise NotServed(UNKNOWN, "no server of this endpoint has this name; list what there is")

    def tool_owner(self, shown: str) -> tuple[Member, str]:
        """The same for a tool, which the settings may hide. Raises `NotServed`."""
        if not self.is_tool_shown(shown):
            raise NotServed(HIDDEN, "no server of this endpoint has this name; list what there is")
        return self.owner(shown)

    def shown(self, member: Member, name: str) -> str | None:
        """A member's name as the endpoint shows it; None when it looks like another member's."""
        return None if not member.prefix and self._is_anothers(name) else member.prefix + name

    def is_tool_shown(self, shown: str) -> bool:
        """Whether the settings let this tool be seen and called."""
        if any(pattern.fullmatch(shown) for pattern in self._hide):
            return False
        return not self._only or any(pattern.fullmatch(shown) for pattern in self._only)

    def _is_anothers(self, name: str) -> bool:
        look = _look(name)
        return any(look.startswith(prefix) for prefix in self._looks)


def _look(name: str) -> str:
    """What a reader, or a client that folds names, may take it for."""
    return unicodedata.normalize("NFKC", name).casefold()


def _compiled(globs: Iterable[str]) -> list[Any]:
    """`*` is any text and `?` any character; everything else means itself. In RE2, which no name can make slow."""
    words = {"*": ".*", "?": "."}
    return [re2.compile("(?s)" + "".join(words.get(c) or re2.escape(c) for c in glob)) for glob in globs]
