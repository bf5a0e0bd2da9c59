"""Servers, their definitions with pin state, and what changed in one of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from litestar import Response, get

from watchkeeper.core.errors import NotFound
from watchkeeper.web.model import DefinitionChange, Pin
from watchkeeper.web.show import PageRequest, console_of, known, listed

_LINES = 600
_CONTEXT = 3


@dataclass(frozen=True)
class Line:
    """A line of a unified comparison."""

    mark: str
    """`+`, `-`, blank, or `…` for what is left out."""
    old: int | None
    new: int | None
    text: str


@get("/servers", sync_to_thread=True)
def servers(request: PageRequest) -> Response[str]:
    """All servers with all definitions."""
    console = console_of(request)
    ports = console.services.servers
    rows = listed(ports.servers)
    pins = {row.name: listed(partial(ports.pins, row.name)) for row in rows.value}
    return console.page(request, "servers", "Servers and tools", servers=rows, pins=pins)


@get("/definition", sync_to_thread=True)
def definition(request: PageRequest) -> Response[str]:
    """One definition: its life, and old against new. Named in the query, because names may hold slashes."""
    console = console_of(request)
    server, kind, name = (request.query_params.get(key, "") for key in ("server", "kind", "name"))
    ports = console.services.servers
    pin = next((p for p in ports.pins(server) if (p.kind, p.name) == (kind, name)), None)
    if pin is None:
        raise NotFound("no such definition", hint="see Servers and tools")
    change = known(lambda: ports.diff(server, kind, name), DefinitionChange("", ""))
    return console.page(
        request,
        "definition",
        "Definition",
        pin=pin,
        change=change,
        lines=compare(change.value.old, change.value.new),
        history=listed(lambda: ports.history(server, kind, name)),
        approve=approve_options(pin, change.value.new_fingerprint or pin.fingerprint),
    )


def approve_options(pin: Pin, fingerprint: str) -> dict[str, str]:
    """Options of the approving command: exactly this definition; tools are the default kind."""
    return {"kind": "" if pin.kind == "tool" else pin.kind, "fingerprint": fingerprint}


def compare(old: str, new: str) -> Sequence[Line]:
    """A unified comparison with line numbers on both sides, long equal stretches left out."""
    before, after = old.splitlines()[:_LINES], new.splitlines()[:_LINES]
    lines: list[Line] = []
    for group in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_grouped_opcodes(_CONTEXT):
        if lines:
            lines.append(Line("…", None, None, ""))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                lines += [Line(" ", a + 1, b1 + a - a1 + 1, before[a]) for a in range(a1, a2)]
                continue
            lines += [Line("-", a + 1, None, before[a]) for a in range(a1, a2)]
            lines += [Line("+", None, b + 1, after[b]) for b in range(b1, b2)]
    return lines
