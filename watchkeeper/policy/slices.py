"""Which policies can have a say in a question, judged by their scope alone. When in doubt, a policy is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchkeeper.policy.sources import Policy

ACTIONS = frozenset({"call_tool", "get_prompt", "read_resource", "list", "receive", "other"})
"""Those of the schema; anything else is denied."""
_TYPES = {"call_tool": "Tool", "get_prompt": "Prompt", "read_resource": "Resource"}


def resource_of(action: str, server: str, target: str) -> tuple[str, str]:
    """Cedar's type and id of what a question is about."""
    kind = _TYPES.get(action, "Tool" if action == "receive" and target else "Server")
    return (kind, server) if kind == "Server" else (kind, f"{server}/{target}")


def slice_of(policies: Sequence[Policy], action: str, server: str, target: str) -> tuple[int, ...]:
    """Positions of the policies whose scope covers this action and resource."""
    resource = resource_of(action, server, target)
    return tuple(
        index
        for index, policy in enumerate(policies)
        if _covers_action(policy.tree["action"], action) and _covers(policy.tree["resource"], resource, server)
    )


def _covers_action(scope: dict[str, Any], action: str) -> bool:
    named = [scope["entity"]] if "entity" in scope else scope.get("entities")
    return scope["op"] not in ("==", "in") or named is None or any(_id(one) == ("Action", action) for one in named)


def _covers(scope: dict[str, Any], resource: tuple[str, str], server: str) -> bool:
    match scope:
        case {"op": "==", "entity": entity}:
            return _id(entity) == resource
        case {"op": "in", "entity": entity}:
            return _id(entity) in (resource, ("Server", server))
        case {"op": "is", "entity_type": kind, "in": {"entity": entity}}:
            return kind == resource[0] and _id(entity) in (resource, ("Server", server))
        case {"op": "is", "entity_type": kind}:
            return bool(kind == resource[0])
    return True


def _id(entity: dict[str, Any]) -> tuple[str, str]:
    inner = entity.get("__entity", entity)
    return inner["type"], inner["id"]
