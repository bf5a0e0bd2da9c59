"""Whether a piece of what leaves is a value or a placeholder, and whether anybody could read it: second looks."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

_PLACEHOLDER = re.compile(
    rb"your|here|x{6}|\*{4}|\.{3}|<|placeholder|insert|redacted|change[_-]?me|\$\{|\{\{|%\(|\$[A-Z(]", re.I
)
_LEAST_BITS = 4.4
_HASH = re.compile(rb"[0-9a-f]+")
_LONG_LABEL, _LONGEST_LABEL, _MANY_LABELS = 16, 30, 4


def is_leaving_token(data: bytes) -> bool:
    """No placeholder: has a digit, and more than a few different signs."""
    return not _PLACEHOLDER.search(data) and any(48 <= byte < 58 for byte in data) and len(set(data)) > 6


def is_leaving_value(data: bytes) -> bool:
    """A value and no reference, word or placeholder."""
    return not _PLACEHOLDER.search(data) and any(48 <= byte < 58 for byte in data) and len(set(data)) > 4


def is_opaque(data: bytes) -> bool:
    """Letters of both cases and digits without order, and no JSON in base 64."""
    kinds = all(re.search(kind, data) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))
    total = len(data)
    bits = -sum(n / total * math.log2(n / total) for n in Counter(data).values()) if total else 0.0
    return kinds and bits >= _LEAST_BITS and not data.startswith((b"eyJ", b"W3s"))


def is_opaque_host(data: bytes) -> bool:
    """Two labels that are no words, one long one that is no hash either, or many short ones."""
    labels = [label for label in data.lower().split(b".")[:-2] if _is_mixed(label)]
    long = [label for label in labels if len(label) >= _LONG_LABEL]
    return (
        len(long) > 1
        or any(len(label) >= _LONGEST_LABEL and not _HASH.fullmatch(label) for label in long)
        or sum(len(label) >= 6 for label in labels) > _MANY_LABELS
    )


def _is_mixed(label: bytes) -> bool:
    digits = sum(48 <= byte < 58 for byte in label)
    return b"-" not in label and 2 <= digits < len(label)


OPAQUE: dict[str, Callable[[bytes], bool]] = {
    "leaving-token": is_leaving_token,
    "leaving-value": is_leaving_value,
    "opaque": is_opaque,
    "opaque-host": is_opaque_host,
}
