"""Requests for approval as a gateway would file them."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.approvals.model import Bounds, Requirement, Wanted

BOUNDS = Bounds(per_principal=3, in_all=5, denial_seconds=60)


def wanted(binding: str = "b-1", **fields: Any) -> Wanted:
    one = Wanted(
        binding=binding,
        tenant="default",
        principal="agent:claude",
        server="bank",
        method="tools/call",
        target="pay",
        definition="sha256:one",
        policy="p-1",
        arguments='{"name":"pay","arguments":{"to":"ada"}}',
        rules=("mine.pay",),
        reason="A person decides about payments.",
        requirements=(Requirement("mine.pay", "responder", 1),),
        seconds=900,
        grant_seconds=300,
    )
    return msgspec.structs.replace(one, **fields)
