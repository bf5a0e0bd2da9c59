"""What a call costs on its way through the gateway, beside nginx as a plain reverse proxy and beside no proxy at all.

    python bench/gateway.py [--json] [--quick] [--rounds N] [--seconds S]

Everything is on: bearer token, strict JSON both ways, era and header checks, inspection of arguments and result, Cedar,
pins, and one journalled event a call (batched: durable within milliseconds, the answer does not wait).

- Server: nginx, answering every POST with the same 2 KB tool result.
- Load: wrk with one 2 KB `tools/call`, 16 connections for rates, 1 for latencies.
- Paths, turn by turn in each round: direct; nginx with `proxy_pass` and kept-alive connections; the gateway.
- With two cores or more, the proxy runs on core 0, wrk and the server on core 1.

calls_per_second_2kb_full: calls a second, 16 at once.  added_p50_us_2kb_full: the median latency of a lone call minus
that of the direct path.  cpu_us_2kb_full: processor time of the proxy's process a call, the journal's thread included.
ratio_to_nginx, cpu_ratio_to_nginx: of the same round, for what else the host does changes from round to round.
Each figure is the median of the rounds. A rate near the direct one says more about wrk than about the path, and a host
that does other work says little about either: then look at the ratios, and measure again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).resolve().parent
WORDS = "The quick brown fox jumps over the lazy dog and reports what it saw to nobody in particular. "
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}
TICKS = os.sysconf("SC_CLK_TCK")
Figures = dict[str, float]


def padded(make: Any, size: int = 2048) -> bytes:
    """The largest message that `make` gives of a text and that is not beyond `size` bytes."""
    text = (WORDS * 40)[: size - len(make(""))]
    return bytes(make(text))


CALL = padded(
    lambda text: msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
                "name": "echo",
                "arguments": {"text": text, "count": 3, "tags": ["a", "b"]},
            },
        }
    )
)
RESULT = padded(
    lambda text: msgspec.json.encode(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "result": {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False},
        }
    )
)


def pinned(core: int, command: list[str]) -> list[str]:
    if (os.cpu_count() or 1) < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def nginx(folder: Path, name: str, server: str, core: int) -> Iterator[int]:
    """An nginx with one worker; yields the worker's process id."""
    home = folder / name
    home.mkdir()
    (home / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_buffer_size 16k;
client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u;
scgi_temp_path {home}/s; {server} }}"""
    )
    process = subprocess.Popen(pinned(core, ["nginx", "-p", str(home), "-c", str(home / "nginx.conf")]))
    try:
        yield worker_of(process.pid)
    finally:
        process.terminate()
        process.wait()


def worker_of(master: int) -> int:
    children = Path(f"/proc/{master}/task/{master}/children")
    for _ in range(500):
        if words := children.read_text().split():
            return int(words[0])
        time.sleep(0.01)
    raise SystemExit("nginx did not start")


@contextmanager
def gateway(data: Path, url: str) -> Iterator[dict[str, Any]]:
    command = pinned(0, [sys.executable, str(HERE / "_gateway_child.py"), str(data), url])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the gateway did not start")
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.wait(30)


def script(folder: Path, token: str) -> Path:
    body = CALL.decode().replace("\\", "\\\\").replace("'", "\\'")
    path = folder / "call.lua"
    path.write_text(
        f"""wrk.method = 'POST'
wrk.body = '{body}'
wrk.headers['Content-Type'] = 'application/json'
wrk.headers['Accept'] = 'application/json, text/event-stream'
wrk.headers['MCP-Protocol-Version'] = '2026-07-28'
wrk.headers['Mcp-Method'] = 'tools/call'
wrk.headers['Mcp-Name'] = 'echo'
wrk.headers['Authorization'] = 'Bearer {token}'
"""
    )
    return path


def load(url: str, lua: Path, connections: int, seconds: int) -> tuple[float, float, int]:
    """Calls a second, median latency in µs, calls altogether."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(lua), url]
    said = subprocess.run(pinned(1, command), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"calls failed on {url}:\n{said}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    half = re.search(r"50%\s+([\d.]+)(us|ms|s)", said)
    total = re.search(r"(\d+) requests in", said)
    assert rate
    assert half
    assert total
    return float(rate[1]), float(half[1]) * UNITS[half[2]], int(total[1])


def processor_us(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS * 1e6


def measure(url: str, lua: Path, pid: int, seconds: int) -> Figures:
    load(url, lua, 16, 1)
    before = processor_us(pid)
    rate, _, count = load(url, lua, 16, seconds)
    cpu = (processor_us(pid) - before) / count
    _, alone, _ = load(url, lua, 1, seconds)
    return {"calls_per_second": rate, "p50_us_alone": alone, "cpu_us": cpu}


def check(url: str, token: str) -> None:
    """One call by hand: what is measured must be an allowed call with the server's own bytes."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "echo",
        "Authorization": f"Bearer {token}",
    }
    request = urllib.request.Request(url, CALL, headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        if answer.read() != RESULT:
            raise SystemExit("the gateway did not pass the server's answer on")


def run(folder: Path, rounds: int, seconds: int) -> dict[str, list[Figures]]:
    server_port, proxy_port = free_port(), free_port()
    answer = RESULT.decode().replace("\\", "\\\\").replace("'", "\\'").replace("$", "")
    serving = (
        f"server {{ listen 127.0.0.1:{server_port}; "
        f"location / {{ default_type application/json; return 200 '{answer}'; }} }}"
    )
    proxying = (
        f"upstream real {{ server 127.0.0.1:{server_port}; keepalive 64; keepalive_requests 1000000000; }} "
        f"server {{ listen 127.0.0.1:{proxy_port}; location / {{ proxy_pass http://real; proxy_http_version 1.1; "
        "proxy_set_header Connection ''; } }"
    )
    url = f"http://127.0.0.1:{server_port}/mcp"
    with (
        nginx(folder, "server", serving, 1) as server_pid,
        nginx(folder, "proxy", proxying, 0) as proxy_pid,
        gateway(folder / "data", url) as ours,
    ):
        lua = script(folder, ours["token"])
        our_url = f"http://127.0.0.1:{ours['port']}/mcp"
        check(our_url, ours["token"])
        paths = {
            "direct": (url, server_pid),
            "nginx": (f"http://127.0.0.1:{proxy_port}/mcp", proxy_pid),
            "watchkeeper": (our_url, ours["pid"]),
        }
        seen: dict[str, list[Figures]] = {name: [] for name in paths}
        for turn in range(rounds):
            order = list(paths.items()) if turn % 2 == 0 else list(paths.items())[::-1]
            for name, (where, pid) in order:
                seen[name].append(measure(where, lua, pid, seconds))
    return seen


def median(rows: list[Figures]) -> Figures:
    return {figure: statistics.median(row[figure] for row in rows) for figure in rows[0]}


def ratio(ours: list[Figures], peer: list[Figures], figure: str) -> float:
    return round(statistics.median(a[figure] / b[figure] for a, b in zip(ours, peer, strict=True)), 3)


def summary(seen: dict[str, list[Figures]]) -> list[dict[str, Any]]:
    """One row a figure and peer; a ratio is the median of the rounds' own, since the host drifts between them."""
    rows: list[dict[str, Any]] = []
    medians = {name: median(figures) for name, figures in seen.items()}
    floor = medians["direct"]["p50_us_alone"]
    for metric, unit, figure, base in (
        ("calls_per_second_2kb_full", "calls/s", "calls_per_second", 0.0),
        ("added_p50_us_2kb_full", "us", "p50_us_alone", floor),
        ("cpu_us_2kb_full", "us", "cpu_us", 0.0),
    ):
        for peer in ("nginx", "direct"):
            if peer == "direct" and figure != "calls_per_second":
                continue
            value, other = medians["watchkeeper"][figure] - base, medians[peer][figure] - base
            of_rounds = ratio(seen["watchkeeper"], seen[peer], figure)
            rows.append(
                {
                    "metric": metric,
                    "value": round(value, 1),
                    "unit": unit,
                    "peer": peer,
                    "peer_value": round(other, 1),
                    "ratio": of_rounds if not base else round(value / other, 3),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    missing = [tool for tool in ("wrk", "nginx") if not shutil.which(tool)]
    if missing:
        print(f"SKIPPED: {' and '.join(missing)} not installed; nothing was measured", file=sys.stderr)
        if options.json:
            print(json.dumps({"name": "gateway", "results": [], "skipped": f"{' and '.join(missing)} not installed"}))
        return
    if os.getloadavg()[0] > 0.3:
        print("this host does other work; the figures are of both", file=sys.stderr)
    rounds, seconds = (2, 2) if options.quick else (options.rounds, options.seconds)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        results = summary(run(Path(folder), rounds, seconds))
    if options.json:
        print(json.dumps({"name": "gateway", "results": results}))
        return
    print(f"{'metric':<28}{'value':>12}  {'unit':<8}{'peer':<8}{'peer value':>12}{'ratio':>9}")
    for row in results:
        print(
            f"{row['metric']:<28}{row['value']:>12}  {row['unit']:<8}"
            f"{row['peer']:<8}{row['peer_value']:>12}{row['ratio']:>9}"
        )


if __name__ == "__main__":
    main()
