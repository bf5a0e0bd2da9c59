"""Inputs of a playbook that a person says when they have it run: which may be said, and what type they have. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from watchkeeper.core.clock import from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.respond.playbook import Input

LONGEST = 500
_TRUTHS = {"true": True, "false": False}


def given_inputs(known: Mapping[str, Input], given: Mapping[str, str]) -> dict[str, Any]:
    """Name → value, typed. Raises `Invalid` for a name that may not be said, and for a value of another type."""
    askable = [name for name, entry in known.items() if entry.ask]
    values = {}
    for name, said in given.items():
        if name not in askable:
            hint = f"it asks for: {', '.join(askable)}" if askable else "this playbook asks for none"
            raise Invalid(f"{name[:80]!r} is no input that may be given", hint=hint)
        values[name] = _typed(name, known[name], said)
    return values


def _typed(name: str, entry: Input, said: str) -> Any:
    text = said.strip()
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise Invalid(f"the input {name} is empty, longer than {LONGEST} characters or not in one line")
    if entry.type == "text":
        return text
    if entry.type == "list":
        return [one.strip() for one in text.split(",") if one.strip()]
    if entry.type == "truth":
        if text not in _TRUTHS:
            raise Invalid(f"the input {name} is neither true nor false", hint=f"write {name}=true")
        return _TRUTHS[text]
    if entry.type == "time":
        return from_iso(text)
    return _number(name, text)


def _number(name: str, text: str) -> int | float:
    for read in (int, float):
        try:
            value = read(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    raise Invalid(f"the input {name} is no number", hint=f"write {name}=3")
