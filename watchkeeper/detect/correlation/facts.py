"""What correlations read of an event, cut to size: the values of a few fields, groups, combinations. Pure.

Whoever writes an event must not decide how much is remembered of it: a long text is kept as its beginning and its hash,
a long list as its first items. Nothing that is left out makes two values equal that are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice, product
from typing import Any

from watchkeeper.detect.conditions.fields import Fields, Record, text_of
from watchkeeper.events import Event

LONGEST = 128
"""Characters of one value that are kept as they are."""
MOST = 16
"""Values of one field, and combinations of fields, of one event."""
_BEGINNING = 48
_TEXTS = frozenset({"actor", "kind", "outcome", "server", "target", "tenant"})

Facts = dict[str, tuple[Any, ...]]
Group = tuple[str | None, ...]


def facts_of(record: Record, names: Iterable[str]) -> Facts:
    """The values of these fields that are there; texts and numbers."""
    fields = Fields(record)
    facts: Facts = {}
    is_ours = isinstance(record, Event)
    for name in names:
        if is_ours and name in _TEXTS:  # what most correlations ask for, without a detour
            text = getattr(record, name)
            if text:
                facts[name] = (cut(text),)
        elif values := fields.values(name):
            facts[name] = tuple(map(_cut, values[:MOST]))
    return facts


def groups_of(facts: Mapping[str, tuple[Any, ...]], names: tuple[str, ...], scope: str) -> list[Group]:
    """The groups that an event belongs to, one for each combination; that a field is not there is a value as well."""
    group: list[str | None] = [scope]
    for name in names:  # one value each, mostly
        values = facts.get(name)
        if values is None:
            group.append(None)
        elif len(values) == 1:
            value = values[0]
            group.append(value if type(value) is str else text_of(value))
        else:
            break
    else:
        return [tuple(group)]
    each: list[list[str | None]] = [[text_of(v) for v in facts[name]] if name in facts else [None] for name in names]
    return list(islice(dict.fromkeys((scope, *one) for one in product(*each)), MOST))


def texts_of(facts: Mapping[str, tuple[Any, ...]], names: tuple[str, ...]) -> list[str]:
    """The values that are counted; none where a field is not there."""
    if len(names) == 1:
        return [text_of(value) for value in facts.get(names[0], ())]
    each = [[text_of(value) for value in facts.get(name, ())] for name in names]
    return ["\x1f".join(f"{len(part)}:{part}" for part in one) for one in islice(product(*each), MOST)]


def digest_of(group: Group) -> str:
    """A group's name in a memory."""
    digest = hashlib.blake2b(digest_size=12)
    for part in group:
        data = b"-" if part is None else b"+" + part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def cut(text: str, longest: int = LONGEST) -> str:
    """A text as it is when it is short, else its beginning and its hash."""
    if len(text) > longest:
        hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        text = f"{text[:_BEGINNING]}…{hashed}"
    # half of a character can be neither stored nor told
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # beyond what is stored; never so large by chance
        return cut(text_of(value))
    return value
