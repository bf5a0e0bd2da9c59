"""Sets of policies and questions about them, at random but for the seed.

Two kinds of sets. *Written*: what passes validation, rendered as text and loaded from a file, with every form that the
engine handles specially: scopes, soft effects, shadow mode, arguments, overflow. *Raw*: trees that no validation saw,
with operands of any kind, so that most errors of the language come up.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from watchkeeper.policy import Question

Node = dict[str, Any]
AGENTS, GROUPS, SERVERS = ("claude", "cursor"), ("dev", "ops", "root"), ("git", "mail")
NAMES = ("log", "push")
PINS = ("approved", "held", "none")
WORDS = {
    "findings": ("secret", "hidden_instruction"),
    "labels": ("sends", "reads_private"),
    "flow": ("private_read", "untrusted_read"),
    "counts": ("calls_over_5", "calls_over_50"),
    "times": ("office_hours", "night"),
}
KINDS = ("Tool", "Prompt", "Resource", "Server")
USES = ("call_tool", "get_prompt", "read_resource")
ACTIONS = (*USES, "list", "other", "receive")
MOST = 2**63 - 1
CONTEXT: Node = {"Var": "context"}
ARGUMENTS: Node = {".": {"left": CONTEXT, "attr": "arguments"}}
PROPERTIES = {
    "n": {"type": "integer"},
    "s": {"type": "string"},
    "b": {"type": "boolean"},
    "d": {"type": "number"},
    "l": {"type": "array", "items": {"type": "string"}},
    "o": {"type": "object", "properties": {"k": {"type": "integer"}}, "required": ["k"], "additionalProperties": False},
    "z": {"type": ["integer", "null"]},
}
SCHEMAS: dict[str, Any] = {
    "git/log": {"type": "object", "properties": PROPERTIES, "required": ["n"]},
    "git/push": {"type": "object", "properties": {name: PROPERTIES[name] for name in "nsl"}},
    "mail/log": {"type": "object", "properties": {name: PROPERTIES[name] for name in "bdoz"}},
    "mail/push": None,
}


def value(raw: Any) -> Node:
    return {"Value": raw}


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def entity(kind: str, name: str) -> Node:
    return value({"__entity": uid(kind, name)})


def binary(operator: str, left: Node, right: Node) -> Node:
    return {operator: {"left": left, "right": right}}


def dot(left: Node, attribute: str) -> Node:
    return {".": {"left": left, "attr": attribute}}


def has(left: Node, attribute: str) -> Node:
    return {"has": {"left": left, "attr": attribute}}


class Maker:
    """Makes policies and questions."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    # policies

    def written(self, count: int) -> list[dict[str, Any]]:
        """Policies that pass validation."""
        return [self._policy(f"p{number}", self._written_conditions) for number in range(count)]

    def raw(self, count: int) -> list[dict[str, Any]]:
        """Policies that no validation saw."""
        return [self._policy(f"p{number}", lambda _: self._raw_conditions()) for number in range(count)]

    def _policy(self, name: str, conditions: Callable[[dict[str, Any]], list[Node]]) -> dict[str, Any]:
        chance = self.chance
        is_forbid = chance.random() < 0.55
        tree = {
            "effect": "forbid" if is_forbid else "permit",
            "annotations": {"id": name, "reason": f"Because of {name}."} | self._notes(is_forbid),
            "principal": self._who(),
        }
        while "resource" not in tree or not _is_applicable(tree["action"], tree["resource"]):
            tree["action"] = self._what()
            tree["resource"] = self._of_what(tree["action"])
        if not is_forbid and chance.random() < 0.5:  # else nearly everything would be denied
            return tree | {name: {"op": "All"} for name in ("principal", "action", "resource")} | {"conditions": []}
        return tree | {"conditions": conditions(tree)}

    def _notes(self, is_forbid: bool) -> dict[str, str]:
        notes = {"mode": "shadow"} if self.chance.random() < 0.15 else {}
        if is_forbid and self.chance.random() < 0.6:
            notes |= self.chance.choice([{"effect": "ask", "quorum": "2"}, {"effect": "modify", "classes": "secret"}])
        return notes

    def _who(self) -> Node:
        agent, group = (
            {"entity": uid("Agent", self.chance.choice(AGENTS))},
            {"entity": uid("Group", self.chance.choice(GROUPS))},
        )
        forms = [{"op": "All"}] * 5 + [{"op": "==", **agent}, {"op": "in", **group}, {"op": "in", **agent}]
        return self.chance.choice(
            [*forms, {"op": "is", "entity_type": "Agent"}, {"op": "is", "entity_type": "Agent", "in": group}]
        )

    def _what(self) -> Node:
        def one() -> dict[str, str]:
            return uid("Action", self.chance.choice((*ACTIONS, "use", "say")))

        exact = {"op": "==", "entity": uid("Action", self.chance.choice(ACTIONS))}
        call = {"op": "==", "entity": uid("Action", "call_tool")}
        several = {"op": "in", "entities": [one() for _ in range(self.chance.randint(1, 3))]}
        return self.chance.choice(
            [{"op": "All"}, {"op": "All"}, call, call, exact, {"op": "in", "entity": one()}, several]
        )

    def _of_what(self, action: Node) -> Node:
        if action == {"op": "==", "entity": uid("Action", "call_tool")}:
            kinds: Sequence[str] = ("Tool",)
        else:
            kinds = KINDS
        kind, server = self.chance.choice(kinds), self.chance.choice(SERVERS)
        exact = uid(kind, server if kind == "Server" else f"{server}/{self.chance.choice(NAMES)}")
        home = {"entity": uid("Server", server)}
        forms: list[Node] = [{"op": "All"}] * 4 + [{"op": "in", **home}] * 2
        forms += [{"op": "==", "entity": exact}, {"op": "in", "entity": exact}, {"op": "is", "entity_type": kind}]
        return self.chance.choice([*forms, {"op": "is", "entity_type": kind, "in": home}])

    # conditions that are well typed

    def _written_conditions(self, tree: dict[str, Any]) -> list[Node]:
        is_call = tree["action"] == {"op": "==", "entity": uid("Action", "call_tool")}
        kinds = [] if self.chance.random() < 0.2 else self.chance.choice([["when"], ["unless"], ["when", "unless"]])
        return [{"kind": kind, "body": self._truth(3, is_call)} for kind in kinds]

    def _truth(self, depth: int, is_call: bool) -> Node:
        chance = self.chance
        if depth and chance.random() < 0.6:
            a, b = self._truth(depth - 1, is_call), self._truth(depth - 1, is_call)
            return chance.choice(
                [
                    binary("&&", a, b),
                    binary("||", a, b),
                    {"!": {"arg": a}},
                    {"if-then-else": {"if": a, "then": b, "else": self._truth(depth - 1, is_call)}},
                    binary(chance.choice(["==", "!="]), a, b),
                ]
            )
        makers = [self._of_facts, self._of_facts, self._of_parties, self._of_parties, self._of_numbers]
        return chance.choice([*makers, self._of_arguments, self._of_arguments] if is_call else makers)()

    def _of_facts(self) -> Node:
        chance = self.chance
        fact = chance.choice(list(WORDS))
        words = [value(word) for word in (*WORDS[fact], "other_over_1")]
        member, others = dot(CONTEXT, fact), {"Set": chance.sample(words, chance.randint(1, 3))}
        pin = binary(chance.choice(["==", "!="]), dot(CONTEXT, "pin"), value(chance.choice(PINS)))
        like = {"like": {"left": dot(CONTEXT, "pin"), "pattern": self._pattern("held")}}
        return chance.choice(
            [
                *(pin, like, has(CONTEXT, fact), {"isEmpty": {"arg": member}}),
                *[binary("contains", member, chance.choice(words))] * 3,
                binary("containsAll", member, others),
                binary("containsAny", member, others),
                binary("==", member, others),
                binary("contains", {"Set": [value(one) for one in chance.sample(PINS, 2)]}, dot(CONTEXT, "pin")),
                binary("containsAny", member, dot(CONTEXT, chance.choice(list(WORDS)))),
                binary("==", dot({"Record": {"a": dot(CONTEXT, "pin"), "b": member}}, "a"), value("held")),
                binary("containsAll", dot({"Record": {"a": dot(CONTEXT, "pin"), "b": member}}, "b"), others),
            ]
        )

    def _of_parties(self) -> Node:
        chance = self.chance
        principal, resource, action = {"Var": "principal"}, {"Var": "resource"}, {"Var": "action"}
        server, kind = chance.choice(SERVERS), chance.choice(KINDS)
        actions = {"Set": [entity("Action", chance.choice((*ACTIONS, "use", "say"))) for _ in range(2)]}
        named = binary("==", dot(resource, "server"), value(server))
        return chance.choice(
            [
                binary("==", dot(principal, "name"), value(chance.choice(AGENTS))),
                {"like": {"left": dot(principal, "name"), "pattern": self._pattern("claude")}},
                binary("in", principal, entity("Group", chance.choice(GROUPS))),
                binary("in", principal, {"Set": [entity("Group", group) for group in chance.sample(GROUPS, 2)]}),
                binary("==", principal, entity("Agent", chance.choice(AGENTS))),
                {"is": {"left": principal, "entity_type": "Agent", "in": entity("Group", chance.choice(GROUPS))}},
                binary("==", dot(resource, "name"), value(chance.choice((*NAMES, *SERVERS)))),
                binary("in", resource, entity("Server", server)),
                {"is": {"left": resource, "entity_type": kind}},
                {"is": {"left": resource, "entity_type": kind, "in": entity("Server", server)}},
                binary("&&", has(resource, "server"), named),
                binary("in", action, entity("Action", chance.choice((*ACTIONS, "use", "say")))),
                binary("in", action, actions),
                has(CONTEXT, "arguments"),
                value(chance.random() < 0.5),
            ]
        )

    def _of_numbers(self) -> Node:
        return binary(self.chance.choice(["<", "<=", ">", ">=", "==", "!="]), self._number(2), self._number(1))

    def _number(self, depth: int) -> Node:
        chance = self.chance
        if depth and chance.random() < 0.5:
            return binary(chance.choice("+-*"), self._number(depth - 1), self._number(depth - 1))
        if depth and chance.random() < 0.1:
            return {"neg": {"arg": self._number(depth - 1)}}
        return value(chance.choice([0, 1, 2, 5, 100, MOST]) if chance.random() < 0.25 else chance.choice([0, 1, 3]))

    def _of_arguments(self) -> Node:
        chance = self.chance
        name = chance.choice(list(PROPERTIES))
        member = dot(ARGUMENTS, name)
        text = chance.choice(["a", "b", "main"])
        compared = binary(chance.choice(["<", ">="]), member, self._number(1))
        added = binary(">", binary(chance.choice("+*"), member, value(chance.choice([1, 2, MOST]))), value(5))
        times = chance.choice(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
        forms: dict[str, list[Node]] = {
            "n": [compared, added, binary("==", member, value(3))],
            "z": [compared, binary("!=", member, value(3))],
            "s": [binary("==", member, value(text)), {"like": {"left": member, "pattern": self._pattern("main")}}],
            "b": [member, binary("==", member, value(True))],
            "d": [{times: [member, {"decimal": [value(chance.choice(["1.5", "0.0001", "-3.25", "100.0"]))]}]}],
            "l": [binary("contains", member, value(text)), {"isEmpty": {"arg": member}}],
            "o": [binary(">", dot(member, "k"), value(3)), has(member, "k")],
        }
        if chance.random() < 0.03:
            return binary(chance.choice(["==", "!="]), ARGUMENTS, ARGUMENTS)
        return chance.choice(
            [has(ARGUMENTS, name), *[binary("&&", has(ARGUMENTS, name), chance.choice(forms[name]))] * 4]
        )

    def _pattern(self, word: str) -> list[Any]:
        cut = self.chance.randint(0, len(word))
        literals: list[Any] = [{"Literal": letter} for letter in word[:cut]]
        literals.insert(self.chance.randint(0, len(literals)), "Wildcard")
        return literals

    # conditions of any kind

    def _raw_conditions(self) -> list[Node]:
        count = self.chance.choice([0, 1, 1, 1, 2])
        return [{"kind": self.chance.choice(["when", "unless"]), "body": self._body()} for _ in range(count)]

    def _body(self) -> Node:
        if self.chance.random() < 0.6:
            return self._truth(2, is_call=False)
        return self._anything(3)

    def _anything(self, depth: int) -> Node:
        chance = self.chance
        if not depth or chance.random() < 0.15:
            return self._leaf()
        a, b, c = (self._anything(depth - 1) for _ in range(3))
        return chance.choice(
            [
                *(binary(chance.choice(_BINARY), a, b) for _ in range(4)),
                *(binary(chance.choice(["&&", "||"]), self._truth(1, is_call=False), b) for _ in range(2)),
                *({"!": {"arg": a}}, {"neg": {"arg": a}}, {"isEmpty": {"arg": a}}),
                {"if-then-else": {"if": self._truth(1, is_call=False), "then": b, "else": c}},
                *(dot(a, chance.choice(_NAMES)), has(a, chance.choice(_NAMES))),
                {"like": {"left": a, "pattern": self._pattern("held")}},
                {"is": {"left": a, "entity_type": chance.choice(("Agent", "Tool"))}},
                {"is": {"left": a, "entity_type": "Agent", "in": b}},
                *({"Set": [a, b]}, {"Record": {"name": a, "k": b}}),
                {chance.choice(["lessThan", "greaterThanOrEqual"]): [a, b]},
                {"decimal": [a]},
            ]
        )

    def _leaf(self) -> Node:
        chance = self.chance
        return chance.choice(
            [
                *({"Var": name} for name in ("principal", "action", "resource")),
                *(dot(CONTEXT, name) for name in ("pin", "findings", "flow", "counts", "nothing")),
                *(value(raw) for raw in (True, False, 0, 1, -1, MOST, "", "held", "claude", "1.5")),
                entity("Group", chance.choice(GROUPS)),
                entity("Agent", chance.choice((*AGENTS, "nobody"))),
                {"Set": [value(1), value("held")]},
            ]
        )

    # questions

    def questions(self, count: int) -> Iterator[tuple[Question, bytes | None]]:
        """Questions with the tool's schema; every fifth one was asked before."""
        asked: list[tuple[Question, bytes | None]] = []
        for number in range(count):
            if asked and number % 5 == 4:
                yield self.chance.choice(asked)
                continue
            asked.append(self._question())
            yield asked[-1]

    def _question(self) -> tuple[Question, bytes | None]:
        chance = self.chance
        action = chance.choice([*ACTIONS, *["call_tool"] * 6, "dance"])
        server, target = chance.choice(SERVERS), chance.choice(NAMES)
        if action in ("list", "other") or (action == "receive" and chance.random() < 0.5):
            target = ""
        sets = {name: tuple(sorted(word for word in words if chance.random() < 0.35)) for name, words in WORDS.items()}
        question = Question(
            principal=chance.choice(AGENTS),
            groups=tuple(sorted(group for group in GROUPS if chance.random() < 0.4)),
            action=action,
            server=server,
            target=target,
            pin=chance.choice(PINS),
            arguments=self._arguments(f"{server}/{target}") if action == "call_tool" else b"",
            **sets,
        )
        schema = SCHEMAS.get(f"{server}/{target}") if action == "call_tool" else None
        return question, None if schema is None else json.dumps(schema).encode()

    def _arguments(self, tool: str) -> bytes:
        chance = self.chance
        schema = SCHEMAS[tool] or {"properties": PROPERTIES}
        parts = [f'"{name}": {self._argument(name)}' for name in schema["properties"] if chance.random() < 0.8]
        if chance.random() < 0.03:
            parts.append(chance.choice(['"q": {"__entity": {"type": "Agent", "id": "x"}}', '"q": [[{"__extn": 1}]]']))
        if chance.random() < 0.05:
            parts.append(f'"{chance.choice(list(PROPERTIES))}x": 1')
        if chance.random() < 0.02:
            return chance.choice([b"", b"{", b"[]", b"null", b'{"n": NaN}'])
        return ("{" + ", ".join(parts) + "}").encode()

    def _argument(self, name: str) -> str:
        chance = self.chance
        if chance.random() < 0.02:
            return chance.choice(
                ["null", "1.5", '"1"', "true", "[1]", "{}", str(2**63), str(-(2**64)), "1.00001", "1.0"]
            )
        return chance.choice(
            {
                "n": ["0", "3", "7", "-2", "4611686018427387904", str(MOST)],
                "s": ['"a"', '"main"', '"maintain"', '""'],
                "b": ["true", "false"],
                "d": ["1.5", "0.0001", "-3.25", "100", "2", "1e2"],
                "l": ["[]", '["a"]', '["a", "b", "a"]'],
                "o": ['{"k": 1}', '{"k": 9}'],
                "z": ["null", "3", "0"],
            }[name]
        )


def _is_applicable(action: Node, resource: Node) -> bool:
    """Whether any question could meet these scopes; the engine refuses to load a policy that none can meet."""
    named = {one["id"] for one in action.get("entities", [action.get("entity", {"id": ""})])}
    below = {"use": set(USES), "say": {*USES, "list", "other"}, "": set(ACTIONS)}
    actions = set[str]().union(*(below.get(name, {name}) for name in named))
    types = set[str]().union(*(_TYPES[name] for name in actions))
    if resource["op"] == "is":
        return resource["entity_type"] in types and (resource["entity_type"] != "Server" or "in" not in resource)
    kind = resource["entity"]["type"] if "entity" in resource else "Server"
    return kind in types or (kind == "Server" and resource["op"] != "==")


_TYPES = {
    "call_tool": {"Tool"},
    "get_prompt": {"Prompt"},
    "read_resource": {"Resource"},
    "list": {"Server"},
    "other": {"Server"},
    "receive": {"Tool", "Server"},
}
_BINARY = ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "in", "contains", "containsAll", "containsAny"]
_NAMES = ("name", "server", "k", "nothing")
