"""What a call costs on its way through the gateway, beside other proxies and beside no proxy at all.

    python bench/gateway.py [--json] [--quick] [--rounds N] [--seconds S] [--only WORD …] [--soak S] [--install-peers]

Everything that is on by default is on: bearer token, strict JSON both ways, era and header checks, pins, inspection of
arguments and result, Cedar, loop detection, and one encrypted, signed, fsynced event a call (batched: durable within
milliseconds, the answer does not wait).

- Server: nginx, answering every POST with the same tool result; for FastMCP and ContextForge, which greet their
  server, a small MCP server. Load: wrk, 16 connections for rates, 1 for latencies; every call has arguments of its own,
  4,096 in turn.
- Paths, turn by turn in each round: direct; nginx with `proxy_pass` and kept-alive connections; Envoy's MCP filter with
  RBAC on the method; FastMCP's proxy; ContextForge; the gateway. A peer that is not installed is said to be missing.
- With two cores or more, the proxy runs on core 0, wrk and the server on core 1.

calls_per_second_*: calls a second, 16 at once.  added_p50_us_*, added_p99_us_*: latency of a lone call minus that of
the direct path.  cpu_us_*: processor time of the proxy a call, all its threads.  What the ends of the names say:
_2kb_full as above; _cold no head and no decision is remembered; _hits words that patterns look for in harmless
sentences; _strict each answer waits for its event on disk; _32kb bodies of 32 KB both ways.
cpu_us_2kb_workers_2: with two workers on one port, beside one worker in the same run.
idle_sessions_5000_mb: resident memory with that many sessions of the older era, each on its open connection.
soak_*: with --soak, so many seconds at 2,000 calls a second: errors, p99, memory at the end over memory at a tenth.

Each figure is the median of the rounds, a ratio that of the rounds' own. A rate near the direct one says more about wrk
than about the path, and a host that does other work says little about either: then look at the ratios, measure again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import _peers as peers
from _crowd import idle_sessions, soak
from _messages import HITS, RESULT, answer, call
from _peers import Way

UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}
TICKS = os.sysconf("SC_CLK_TCK")
CALLS = 4096
Figures = dict[str, float]


class Load(NamedTuple):
    """Which calls are sent, and through which variant of the gateway."""

    name: str
    size: int = 2048
    words: str = ""
    flags: tuple[str, ...] = ()
    peers: tuple[str, ...] = ("direct", "nginx")


LOADS = (
    Load("2kb_full", peers=("direct", "nginx", "envoy", "fastmcp", "contextforge")),
    Load("2kb_cold", flags=("cold",)),
    Load("2kb_hits", words=HITS),
    Load("2kb_strict", flags=("strict",)),
    Load("32kb", size=32_768),
)


def script(folder: Path, load: Load, way: Way) -> Path:
    """wrk's side: the same call with other arguments each time."""
    first = call(load.size, *([load.words] if load.words else []), tool=way.tool)
    mark = b'"count":"00000000"'
    assert first.count(mark) == 1
    before, _, after = (part.decode().replace("\\", "\\\\").replace("'", "\\'") for part in first.partition(mark))
    path = folder / f"{load.name}.lua"
    path.write_text(
        f"""local headers = {{['Content-Type'] = 'application/json', ['Accept'] = 'application/json, text/event-stream',
['MCP-Protocol-Version'] = '{way.version}', ['Mcp-Method'] = 'tools/call', ['Mcp-Name'] = '{way.tool}',
['Authorization'] = 'Bearer {way.token or "none"}'}}
local calls, at = {{}}, 0
init = function(args)
  for i = 1, {CALLS} do
    local body = '{before}"count":"' .. string.format('%08d', i) .. '"{after}'
    calls[i] = wrk.format('POST', nil, headers, body)
  end
end
request = function()
  at = at % {CALLS} + 1
  return calls[at]
end
"""
    )
    return path


def run_wrk(url: str, lua: Path, connections: int, seconds: int, *, may_fail: bool = False) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", str(lua), url]
    said = subprocess.run(peers.pinned(1, command), capture_output=True, text=True, check=True).stdout
    failed = int(match[1]) if (match := re.search(r"Non-2xx or 3xx responses: (\d+)", said)) else 0
    if failed or "Socket errors" in said:
        if not may_fail:
            raise SystemExit(f"calls failed on {url}:\n{said}")
        print(f"    {failed} calls failed there", file=sys.stderr)
    found: dict[str, float] = {}
    for name, pattern in (("p50", r"50%\s+([\d.]+)(us|ms|s)"), ("p99", r"99%\s+([\d.]+)(us|ms|s)")):
        match = re.search(pattern, said)
        assert match
        found[name] = float(match[1]) * UNITS[match[2]]
    rate, total = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    assert rate
    assert total
    return found | {"rate": float(rate[1]), "count": float(total[1]), "failed": float(failed)}


def processor_us(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS * 1e6


def measure(way: Way, lua: Path, seconds: int, pids: list[int] | None = None) -> Figures:
    whose = pids or [way.pid]
    run_wrk(way.url, lua, 16, 1, may_fail=way.may_fail)
    before = processor_us(whose)
    many = run_wrk(way.url, lua, 16, seconds, may_fail=way.may_fail)
    cpu = (processor_us(whose) - before) / max(many["count"], 1)
    alone = run_wrk(way.url, lua, 1, seconds, may_fail=way.may_fail)
    failed = many["failed"] + alone["failed"] + (many["count"] == 0)
    found = {"calls_per_second": many["rate"], "cpu_us": cpu, "p50": alone["p50"], "p99": alone["p99"]}
    return found | {"failed": failed}


def check(way: Way, load: Load) -> None:
    """One call by hand: what is measured must be an allowed call with the server's own answer."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": way.version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": way.tool,
    }
    if way.token:
        headers["Authorization"] = f"Bearer {way.token}"
    body, _ = peers.post(way.url, call(load.size, *([load.words] if load.words else []), tool=way.tool), headers)
    result = json.loads(body).get("result", {})
    if result.get("isError") or not result.get("content"):
        raise SystemExit(f"{way.url} did not pass the server's answer on: {body[:300]!r}")


def compare(folder: Path, load: Load, rounds: int, seconds: int) -> dict[str, list[Figures]]:
    """Path → figures of each round."""
    server, proxy = peers.free_port(), peers.free_port()
    home = folder / load.name
    home.mkdir()
    said = answer(load.size, *([load.words] if load.words else []))
    direct = f"http://127.0.0.1:{server}/mcp"
    with ExitStack() as stack:
        server_pid = stack.enter_context(peers.nginx(home, "server", peers.answering(server, said, home), 1))
        proxy_pid = stack.enter_context(peers.nginx(home, "proxy", peers.proxying(proxy, server), 0))
        ways = {"direct": Way(direct, server_pid), "nginx": Way(f"http://127.0.0.1:{proxy}/mcp", proxy_pid)}
        if "envoy" in load.peers and is_there("envoy"):
            ways["envoy"] = stack.enter_context(peers.envoy(home, server))
        if "fastmcp" in load.peers and is_there("fastmcp"):
            ways["fastmcp"] = stack.enter_context(peers.fastmcp(stack.enter_context(peers.mcp_server())))
        if "contextforge" in load.peers and is_there("contextforge"):
            real = stack.enter_context(peers.mcp_server())
            ways["contextforge"] = stack.enter_context(peers.contextforge(home, real))
        ways["watchkeeper"] = stack.enter_context(peers.ours(home / "data", direct, *load.flags))
        seen: dict[str, list[Figures]] = {name: [] for name in ways}
        for way in ways.values():
            check(way, load)
        for turn in range(rounds):
            order = list(ways.items()) if turn % 2 == 0 else list(ways.items())[::-1]
            for name, way in order:
                print(f"  {load.name} round {turn + 1} of {rounds}: {name}", file=sys.stderr)
                seen[name].append(measure(way, script(home, load, way), seconds))
    return seen


def is_there(name: str) -> bool:
    if peers.installed(name) is not None:
        return True
    print(f"MISSING: {name} is not installed; see --install-peers", file=sys.stderr)
    return False


def median(rows: list[Figures]) -> Figures:
    return {figure: statistics.median(row[figure] for row in rows) for figure in rows[0]}


def summary(load: Load, seen: dict[str, list[Figures]]) -> list[dict[str, Any]]:
    """One row a figure and peer; a ratio is the median of the rounds' own, since the host drifts between them."""
    rows: list[dict[str, Any]] = []
    for name in [name for name, figures in seen.items() if any(figure["failed"] for figure in figures)]:
        print(f"LEFT OUT: calls through {name} failed, so nothing is said of its speed", file=sys.stderr)
        del seen[name]
    medians = {name: median(figures) for name, figures in seen.items()}
    floor = medians["direct"]
    for metric, unit, figure, peer in (
        (f"{metric}_{load.name}", unit, figure, peer)
        for metric, unit, figure in (
            ("calls_per_second", "calls/s", "calls_per_second"),
            ("added_p50_us", "us", "p50"),
            ("added_p99_us", "us", "p99"),
            ("cpu_us", "us", "cpu_us"),
        )
        for peer in seen
        if peer != "watchkeeper" and not (peer == "direct" and figure != "calls_per_second")
    ):
        base = floor[figure] if metric.startswith("added") else 0.0
        value, other = medians["watchkeeper"][figure] - base, medians[peer][figure] - base
        pairs = zip(seen["watchkeeper"], seen[peer], strict=True)
        ratio = statistics.median(a[figure] / b[figure] for a, b in pairs)
        if base:
            ratio = value / max(other, 0.1)
        rows.append(_row(metric, round(value, 1), unit, peer, round(other, 1), round(ratio, 3)))
    return rows


def _row(
    metric: str, value: float, unit: str, peer: str = "", peer_value: float | None = None, ratio: float | None = None
) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": metric, "value": value, "unit": unit}
    return row | ({"peer": peer, "peer_value": peer_value, "ratio": ratio} if peer else {})


def workers(folder: Path, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Processor time a call with two workers, beside one: the command as a user starts it, free to use every core."""
    port = peers.free_port()
    load = LOADS[0]
    seen: dict[int, list[Figures]] = {1: [], 2: []}
    home = folder / "workers"
    home.mkdir()
    with peers.nginx(home, "server", peers.answering(port, RESULT, home), 1):
        for turn in range(rounds):
            for count in (1, 2) if turn % 2 == 0 else (2, 1):
                print(f"  workers round {turn + 1} of {rounds}: {count}", file=sys.stderr)
                with peers.command(home / f"{turn}-{count}", f"http://127.0.0.1:{port}/mcp", count) as (way, pids):
                    check(way, load)
                    seen[count].append(measure(way, script(home, load, way), seconds, pids))
    one, two = median(seen[1]), median(seen[2])
    ratio = round(statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(seen[1], seen[2], strict=True)), 3)
    return [
        _row(
            "cpu_us_2kb_workers_2", round(two["cpu_us"], 1), "us", "1 worker", round(one["cpu_us"], 1), round(ratio, 3)
        ),
        _row("calls_per_second_2kb_workers_2", round(two["calls_per_second"]), "calls/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="under a minute: 2kb_full beside direct and nginx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", action="append", default=[], help="2kb_full, 2kb_cold, …, 32kb, workers, idle")
    parser.add_argument("--soak", type=int, default=0, metavar="S", help="also soak for so many seconds")
    parser.add_argument("--install-peers", action="store_true", help="make the peers' environments and end")
    options = parser.parse_args()
    if options.install_peers:
        peers.install()
        return
    missing = [tool for tool in ("wrk", "nginx") if not shutil.which(tool)]
    if missing:
        print(f"SKIPPED: {' and '.join(missing)} not installed; nothing was measured", file=sys.stderr)
        if options.json:
            print(json.dumps({"name": "gateway", "results": [], "skipped": f"{' and '.join(missing)} not installed"}))
        return
    if os.getloadavg()[0] > 0.3:
        print("this host does other work; the figures are of both", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        results = run(Path(folder), options)
    if options.json:
        print(json.dumps({"name": "gateway", "results": results}))
        return
    print(f"{'metric':<32}{'value':>12}  {'unit':<8}{'peer':<10}{'peer value':>12}{'ratio':>9}")
    for row in results:
        print(
            f"{row['metric']:<32}{row['value']:>12}  {row['unit']:<8}"
            f"{row.get('peer', ''):<10}{row.get('peer_value', ''):>12}{row.get('ratio', ''):>9}"
        )


def run(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    rounds, seconds = (2, 2) if options.quick else (options.rounds, options.seconds)
    wanted = set(options.only) or (
        {"2kb_full"} if options.quick else {*(load.name for load in LOADS), "workers", "idle"}
    )
    results: list[dict[str, Any]] = []
    for load in LOADS:
        if load.name in wanted:
            chosen = load._replace(peers=("direct", "nginx")) if options.quick else load
            results += summary(chosen, compare(folder, chosen, rounds, seconds))
    if "workers" in wanted:
        results += workers(folder, rounds, seconds)
    if "idle" in wanted:
        results += idle_sessions(folder, 5000)
    if options.soak:
        results += soak(folder, options.soak, 2000)
    return results


if __name__ == "__main__":
    main()
