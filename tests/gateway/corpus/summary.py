"""All groups, and the table of them."""

from __future__ import annotations

from tests.gateway.corpus import Group, bodies, framing, heads

GROUPS = (*framing.GROUPS, *heads.GROUPS, *bodies.GROUPS)


def table() -> str:
    """One row a group, in Markdown."""
    rows = ["| what is odd | items | refused with | served after all | what it stops |", "|---|---|---|---|---|"]
    return "\n".join([*rows, *map(_row, GROUPS)])


def _row(group: Group) -> str:
    statuses = sorted({item.status for item in group.items if item.status not in (0, 200)})
    served = sum(item.status == 200 for item in group.items)
    refused = ", ".join(map(str, statuses)) + (", or cut off" if any(item.status == 0 for item in group.items) else "")
    return f"| {group.title} | {len(group.items)} | {refused.removeprefix(', ')} | {served or ''} | {group.stops} |"
