"""Which worlds have to be looked at for two sets of policies, and the words that the policies name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.policy.arguments import ArgumentReader, Refused
from watchkeeper.policy.diff.guesses import guessed, required, settled
from watchkeeper.policy.diff.symbols import Outside
from watchkeeper.policy.diff.worlds import Setting, Words
from watchkeeper.policy.reads import FACTS, literals_beside
from watchkeeper.policy.schemas import UnusableSchema, parse_schema
from watchkeeper.policy.sources import Policy

WITHOUT_ARGUMENTS = (
    ("get_prompt", "Prompt"),
    ("read_resource", "Resource"),
    ("list", "Server"),
    ("other", "Server"),
    ("receive", "Tool"),
    ("receive", "Server"),
    ("reveal", "Tool"),
    ("reveal", "Server"),
)
MOST_TOOLS = 500
_COMPARING = ("contains", "containsAny", "containsAll", "==", "!=")


class Place(msgspec.Struct, frozen=True):
    """A world to look at, or why it cannot be."""

    setting: Setting
    outside: str = ""
    policies: tuple[str, ...] = ()
    """Those that are the reason."""


def places(policies: Sequence[Policy], schemas: Mapping[str, bytes]) -> list[Place]:
    """Every world; `schemas` are those of known tools, by `server/tool`."""
    found = [Place(Setting(action, kind)) for action, kind in WITHOUT_ARGUMENTS]
    readers = [policy for policy in policies if policy.reads]
    if not readers:
        return [Place(Setting("call_tool", "Tool")), *found]
    named = {tool for policy in readers if (tool := _tool(policy))}
    known = [tool for tool in schemas if any(_may_cover(policy, tool) for policy in readers)]
    tools = sorted(named.union(known))
    for tool in tools[:MOST_TOOLS]:
        found += _places(readers, tool, (), schemas.get(tool))
    if len(tools) > MOST_TOOLS:
        why = f"{len(tools)} tools, of which {MOST_TOOLS} were looked at"
        found.append(Place(Setting("call_tool", "Tool"), why, tuple(policy.id for policy in readers)))
    found += _places(readers, "", tuple(sorted(named)), None)
    found.append(Place(Setting("call_tool", "Tool", unknown=True)))
    return found


def _places(readers: Sequence[Policy], tool: str, others: tuple[str, ...], raw: bytes | None) -> list[Place]:
    covering = [policy for policy in readers if (_may_cover(policy, tool) if tool else not _tool(policy))]
    bare = Setting("call_tool", "Tool", tool, others)
    try:
        schema = parse_schema(raw) if raw is not None else settled(guessed(_bodies(covering)))
    except UnusableSchema:
        return [Place(msgspec.structs.replace(bare, unknown=True))]
    except Outside as outside:
        return [Place(bare, str(outside), tuple(policy.id for policy in covering))]
    found = [Place(msgspec.structs.replace(bare, schema=schema, is_guess=raw is None))]
    if raw is not None or not (strange := misfits(covering, schema)):
        return found
    # some policy counts on its arguments being there, as it may where the real schema requires them
    strict = required(schema)
    found.append(Place(msgspec.structs.replace(bare, schema=strict, is_guess=True)))
    if strange := misfits([policy for policy in covering if policy.id in strange], strict):
        found.append(Place(bare, "arguments of which no schema can be guessed", tuple(sorted(strange))))
    return found


def misfits(policies: Sequence[Policy], schema: dict[str, Any] | None) -> frozenset[str]:
    """Those that cannot be asked about a tool with this schema: every call that they cover is denied."""
    if schema is None:
        return frozenset()
    raw = msgspec.json.encode(schema)
    return frozenset(policy.id for policy in policies if policy.reads and not _fits(policy, raw))


def _fits(policy: Policy, raw: bytes) -> bool:
    try:
        ArgumentReader([policy], policy.reads, raw)
    except Refused:
        return False
    return True


def words_of(policies: Sequence[Policy]) -> Words:
    """What the policies name."""
    trees = [policy.tree for policy in policies]
    entities = {(e["type"], e["id"]) for tree in trees for e in _entities(tree)}
    nodes = [node for tree in trees for node in _dicts(tree.get("conditions", []))]
    values = [node["Value"] for node in nodes if "Value" in node]
    texts = sorted({value for value in values if isinstance(value, str)})
    others = 1 + sum(_is_open(node) for node in nodes)
    beside = {
        fact: tuple(texts)
        if others > 1
        else tuple(sorted(set().union(*(literals_beside(tree, fact) for tree in trees))))
        for fact in FACTS
    }
    return Words(
        groups=tuple(sorted(name for kind, name in entities if kind == "Group")),
        agents=tuple(sorted(name for kind, name in entities if kind == "Agent")),
        texts=tuple(texts),
        numbers=tuple(sorted({value for value in values if isinstance(value, int) and not isinstance(value, bool)})),
        others=others,
        fresh=next(name for name in (f"other{n}" for n in range(len(texts) + 1)) if name not in texts),
        beside=beside,
    )


def _is_open(node: dict[str, Any]) -> bool:
    """Whether a test of sets has no literal on either side: then other elements may matter."""
    for test in _COMPARING:
        inner = node.get(test)
        if isinstance(inner, dict):
            return not any(_is_literal(inner.get(side)) for side in ("left", "right"))
    return False


def _is_literal(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    return "Value" in node or ("Set" in node and all(_is_literal(part) for part in node["Set"]))


def _bodies(policies: Sequence[Policy]) -> list[Any]:
    return [part["body"] for policy in policies for part in policy.tree.get("conditions", [])]


def _tool(policy: Policy) -> str:
    """The one tool that a policy's scope names."""
    match policy.tree["resource"]:
        case {"op": "==", "entity": named}:
            inner = named.get("__entity", named)
            return str(inner["id"]) if inner["type"] == "Tool" and "/" in inner["id"] else ""
    return ""


def _may_cover(policy: Policy, tool: str) -> bool:
    match policy.tree["resource"]:
        case {"op": "==", "entity": named}:
            inner = named.get("__entity", named)
            return bool((inner["type"], inner["id"]) == ("Tool", tool))
        case {"entity": named} | {"in": {"entity": named}}:
            inner = named.get("__entity", named)
            return bool(inner["id"] in (tool, tool.partition("/")[0]))
    return True


def _entities(node: Any) -> Iterator[dict[str, str]]:
    for inner in _dicts(node):
        if inner.keys() == {"type", "id"}:
            yield inner


def _dicts(node: Any) -> Iterator[dict[str, Any]]:
    stack = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, dict):
            yield at
            stack += at.values()
        elif isinstance(at, list):
            stack += at
