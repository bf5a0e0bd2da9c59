"""`[limits.NAME]` and `[loops]`: how much may be used, of what, by whom; and what a sane limit looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured

WHOSE = ("principal", "server", "tool", "tenant")
_AMOUNTS = ("calls", "bytes_in", "bytes_out", "cost", "concurrent")
_Globs = tuple[str, ...]


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[limits.NAME]`: an allowance, and who shares it. Whoever matches every list that is given is limited."""

    per: Annotated[
        tuple[str, ...],
        Meta(description="Each of these has the allowance for itself: `principal`, `server`, `tool`, `tenant`."),
    ] = ()
    principals: Annotated[_Globs, Meta(description="Only these clients, by name; `*` and `?` stand for anything.")] = ()
    groups: Annotated[_Globs, Meta(description="Only clients in one of these groups.")] = ()
    tenants: Annotated[_Globs, Meta(description="Only these tenants.")] = ()
    servers: Annotated[_Globs, Meta(description="Only these servers.")] = ()
    tools: Annotated[_Globs, Meta(description="Only these tools, as `server/tool`.")] = ()
    methods: Annotated[_Globs, Meta(description="Which messages count; `*` for every one of a client.")] = (
        "tools/call",
    )
    seconds: Annotated[float, Meta(description="The stretch of time that the amounts are for.", gt=0)] = 60.0
    calls: Annotated[int, Meta(description="Messages in any such stretch; 0 for no limit.", ge=0)] = 0
    burst: Annotated[
        int, Meta(description="Refill `calls` evenly instead, and let so many pass at once; 0 for a plain quota.", ge=0)
    ] = 0
    bytes_in: Annotated[int, Meta(description="Bytes of the client's messages; 0 for no limit.", ge=0)] = 0
    bytes_out: Annotated[
        int, Meta(description="Bytes of the server's answers; once spent, no call begins. 0 for no limit.", ge=0)
    ] = 0
    concurrent: Annotated[int, Meta(description="Calls under way at once; 0 for no limit.", ge=0)] = 0
    cost: Annotated[float, Meta(description="Budget, in whatever unit the costs below are in; 0 for none.", ge=0)] = 0.0
    cost_per_call: Annotated[float, Meta(description="What a call costs that `costs` does not name.", ge=0)] = 1.0
    costs: Annotated[
        dict[str, float], Meta(description="`server/tool` → what a call of it costs; the first that matches counts.")
    ] = {}
    cost_per_kb: Annotated[
        float, Meta(description="What 1,024 bytes cost, of the call and of its answer, beside the above.", ge=0)
    ] = 0.0


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[loops]`: an agent that repeats itself. The defaults are beyond what polling at two calls a second reaches."""

    seconds: Annotated[float, Meta(description="How long a call is remembered.", gt=0)] = 300.0
    notice: Annotated[int, Meta(description="The same call so often in that time is recorded; 0 for never.", ge=0)] = 60
    refuse: Annotated[
        int, Meta(description="Beyond so many the same call is refused until time has passed; 0 for never.", ge=0)
    ] = 600


def check_limits(limits: Mapping[str, LimitSettings]) -> None:
    """Raises `Misconfigured`, naming the limit, when one cannot work."""
    for name, limit in limits.items():
        _check(f"limits.{name}", name, limit)


def _check(where: str, name: str, limit: LimitSettings) -> None:
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise Misconfigured(f"{where}: a limit's name has letters, digits, - _ .", hint="rename the section")
    if not any(getattr(limit, amount) for amount in _AMOUNTS):
        raise Misconfigured(
            f"{where} limits nothing", hint="give one of calls, bytes_in, bytes_out, concurrent, cost an amount"
        )
    for whose in limit.per:
        if whose not in WHOSE:
            raise Misconfigured(f"{where}.per: {whose!r} is unknown", hint=f"choose from {', '.join(WHOSE)}")
    if limit.burst and not limit.calls:
        raise Misconfigured(f"{where}.burst without calls: nothing refills it", hint=f"set {where}.calls")
    if (limit.costs or limit.cost_per_kb) and not limit.cost:
        raise Misconfigured(f"{where}: there are costs and no budget", hint=f"set {where}.cost")
    if (limit.tools or "tool" in limit.per) and limit.methods != ("tools/call",):
        raise Misconfigured(
            f"{where}: only tools/call has a tool", hint="leave methods out, or give it another limit of its own"
        )
    for tool in (*limit.tools, *limit.costs):
        if "/" not in tool:
            raise Misconfigured(f"{where}: {tool!r} names no server", hint=f'write it as "SERVER/{tool}" or "*/{tool}"')
    if any(cost < 0 for cost in limit.costs.values()):
        raise Misconfigured(f"{where}.costs: a cost below nothing", hint="costs are 0 or more")
