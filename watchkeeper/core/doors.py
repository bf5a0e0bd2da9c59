"""Front doors that open room by room: a name's module is imported when somebody first asks for the name.

A package's `__init__` names what it offers; to import all of it at once made every command pay for every engine (a
third of a second for `watchkeeper pins list`). A door says its names twice: under `TYPE_CHECKING` for whoever reads
or checks types, and to `door` for the running program; `tests/architecture` holds the two together. PEP 562.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def door(package: str, rooms: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: room → the names that come from it."""
    room_of = {name: room for room, names in rooms.items() for name in names}

    def open_room(name: str) -> Any:
        room = room_of.get(name)
        if room is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{room}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return open_room
