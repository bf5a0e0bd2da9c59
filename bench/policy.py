"""Policy: microseconds a decision. Run `python bench/policy.py [--json] [--quick] [--oracle PAIRS]`.

A set of N policies is what a company of many servers and groups has: one that permits, and rules about single tools,
about a group on a server, about one agent. cached: a question whose verdict is kept, its key made anew. fresh_N: a
question that was never asked, put to the policies that it meets. met_N: how many these are. new_tool_N: about a tool
that was never seen. arguments: a call of 500 bytes of which policies read two arguments, checked against the tool's
schema each time; cached: the verdict is kept, the check is not.
Peers: Cedar with handles that are kept, asked with the whole set (what slicing saves); Cedar asked with its policies
as text. Each figure is the best of several rounds, as the floor is what the code costs; the host adds to it.
--oracle: instead, so many pairs of policies and questions against an evaluator of our own (tests/policy/oracle).
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cedarpy

from watchkeeper.policy import Effect, PolicyEngine, Question
from watchkeeper.policy.sources import policy_set

QUICK = "--quick" in sys.argv
SIZES = (20, 200, 5_000)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"branch": {"type": "string"}, "force": {"type": "boolean"}, "message": {"type": "string"}},
        "required": ["branch"],
    }
).encode()
ARGUMENTS = json.dumps({"branch": "topic", "force": False, "message": "m" * 400}).encode()


def best(work: Callable[[], object], rounds: int = 2 if QUICK else 5, seconds: float = 0.03 if QUICK else 0.1) -> float:
    """Microseconds a call."""
    work()
    found = float("inf")
    for _ in range(rounds):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                work()
            count += 10
        found = min(found, (time.perf_counter() - start) / count * 1e6)
    return round(found, 2)


def rule(number: int) -> str:
    """A forbid of one of three kinds."""
    scope, condition = (
        (
            f'principal, action == Action::"call_tool", resource == Tool::"s{number % 10}/t{number}"',
            'context.pin == "held"',
        ),
        (
            f'principal in Group::"g{number % 50}", action in Action::"use", resource in Server::"s{number % 10}"',
            'context.labels.contains("destroys") && context.pin != "approved"',
        ),
        (
            f'principal == Agent::"a{number}", action == Action::"call_tool", resource',
            'context.flow.contains("private_read") && context.labels.contains("sends")',
        ),
    )[number % 3]
    return f'@id("p{number}") @reason("No.") forbid ({scope}) when {{ {condition} }};\n'


def text_of(count: int) -> str:
    return '@id("all") @reason("Yes.") permit (principal, action, resource);\n' + "".join(map(rule, range(1, count)))


def engine_of(text: str) -> PolicyEngine:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "p.cedar").write_text(text)
        return PolicyEngine.load(Path(folder))


def question(number: int = 0, name: str = "t3", agent: str = "a2") -> Question:
    """About a tool that some rule names, by an agent that some rule names; unlike any other by its pin."""
    return Question(agent, ("g1", "g2"), "call_tool", "s1", name, f"p{number}", labels=("sends",))


def whole(policies: PolicyEngine) -> Callable[[], object]:
    """Cedar itself, over all policies, with everything kept that can be."""
    handle = cedarpy.PolicySet.from_json_str(policy_set(policies.policies))
    return lambda: cedarpy.is_authorized(request(), handle, ENTITIES)


def request() -> dict[str, object]:
    q = question()
    context = {"pin": q.pin, "findings": [], "labels": q.labels, "flow": [], "counts": [], "times": [], "arguments": {}}
    return {
        "principal": {"type": "Agent", "id": q.principal},
        "action": {"type": "Action", "id": q.action},
        "resource": {"type": "Tool", "id": f"{q.server}/{q.target}"},
        "context": json.dumps(context),
    }


def _entities() -> cedarpy.Entities:
    groups = [{"type": "Group", "id": group} for group in question().groups]
    use, server = {"type": "Action", "id": "use"}, {"type": "Server", "id": "s1"}
    found = [{"uid": uid, "attrs": {}, "parents": []} for uid in (*groups, use)]
    found.append({"uid": server, "attrs": {"name": "s1"}, "parents": []})
    found.append({"uid": {"type": "Agent", "id": "a2"}, "attrs": {"name": "a2"}, "parents": groups})
    found.append({"uid": {"type": "Action", "id": "call_tool"}, "attrs": {}, "parents": [use]})
    tool = {"type": "Tool", "id": "s1/t3"}
    found.append({"uid": tool, "attrs": {"name": "t3", "server": "s1"}, "parents": [server]})
    return cedarpy.Entities.from_json_str(json.dumps(found))


ENTITIES = _entities()


def figures() -> dict[str, float]:
    found: dict[str, float] = {}
    for size in SIZES:
        policies = engine_of(text_of(size))
        assert policies.decide(question()).effect is Effect.ALLOW
        if size == 200:
            kept, text = question(), text_of(size)
            found["cached_us"] = best(lambda p=policies, q=kept: p.decide(q))
            found["peer_text_200_us"] = best(
                lambda text=text: cedarpy.is_authorized(request(), text, ENTITIES), rounds=1
            )
        fresh, new = itertools.count(1), itertools.count(1)
        found[f"fresh_{size}_us"] = best(lambda p=policies, n=fresh: p.decide(question(next(n))))
        found[f"met_{size}"] = len(policies._slice(question()).whole.policies)
        found[f"peer_whole_{size}_us"] = best(whole(policies), rounds=2)
        found[f"new_tool_{size}_us"] = best(lambda p=policies, n=new: p.decide(question(name=f"u{next(n)}")))
    return found | arguments()


def arguments() -> dict[str, float]:
    reads = (
        '@id("main") @reason("No.") forbid (principal, action == Action::"call_tool", resource == Tool::"s1/push")\n'
        'when { context.arguments.branch == "main" || (context.arguments has force && context.arguments.force) };\n'
    )
    policies = engine_of(text_of(20) + reads)
    kept = Question("a2", ("g1", "g2"), "call_tool", "s1", "push", "approved", arguments=ARGUMENTS)
    numbers = itertools.count()

    def fresh() -> None:
        raw = b'{"branch": "b%d", "force": false, "message": "' % next(numbers) + b"m" * 400 + b'"}'
        q = Question("a2", ("g1", "g2"), "call_tool", "s1", "push", "approved", arguments=raw)
        assert policies.decide(q, SCHEMA).effect is Effect.ALLOW

    return {
        "arguments_cached_us": best(lambda: policies.decide(kept, SCHEMA)),
        "arguments_fresh_us": best(fresh),
    }


def rows(found: dict[str, float]) -> list[dict[str, object]]:
    """The figures, each beside its peer where it has one."""
    said: list[dict[str, object]] = []
    for metric, value in found.items():
        if metric.startswith("peer"):
            continue
        row: dict[str, object] = {
            "metric": metric,
            "value": value,
            "unit": "us" if metric.endswith("_us") else "policies",
        }
        peer = f"peer_whole_{metric.split('_')[1]}_us" if metric.startswith("fresh") else ""
        if metric == "cached_us":
            peer = "peer_text_200_us"
        if peer:
            name = "Cedar, the whole set" if "whole" in peer else "Cedar, policies as text"
            row |= {"peer": name, "peer_value": found[peer], "ratio": round(value / found[peer], 5)}
        said.append(row)
    return said


def oracle(pairs: str) -> int:
    """The exit code of the comparison, which says how it went."""
    here = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-m", "tests.policy.oracle", pairs], cwd=here, check=False).returncode


def main() -> None:
    if "--oracle" in sys.argv:
        sys.exit(oracle(sys.argv[sys.argv.index("--oracle") + 1]))
    results = rows(figures())
    if "--json" in sys.argv:
        print(json.dumps({"name": "policy", "results": results}))
        return
    for row in results:
        print(f"{row['metric']:22} {row['value']:>10} {row['unit']:8} {row.get('ratio', ''):>8} {row.get('peer', '')}")


if __name__ == "__main__":
    main()
