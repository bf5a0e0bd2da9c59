"""What an approval is bound to: one digest over everything that must be the same when the call is let through. Pure.

The parameters count as a whole, but for `_meta`, whose progress tokens and trace ids differ from one try to the next.
They are put in canonical form first: members sorted, white space gone, every number as it was written, for `1` and
`1.0`, or two integers that meet in a double, are two calls to some server. A doubled member is refused.
"""

from __future__ import annotations

import hashlib
import json

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.inspection.fingerprints import canonical

_VERSION = 1


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """The rest of what an approval is bound to."""

    tenant: str
    principal: str
    server: str
    method: str
    target: str
    definition: str
    policy: str
    rules: tuple[str, ...]


def bind(bound: Bound, params: bytes) -> str:
    """The digest. Raises `Invalid` when the parameters can be read in more than one way."""
    parts = [_VERSION, msgspec.to_builtins(bound), _meant(params).decode()]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _meant(params: bytes) -> bytes:
    try:
        members = msgspec.json.decode(canonical(params or b"{}"), type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise Invalid("the parameters are no object") from error
    members.pop("_meta", None)
    return msgspec.json.encode(members, order="sorted")
