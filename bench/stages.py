"""Each stage of a call through the gateway, alone: microseconds a 2 KB call. Run `python bench/stages.py [--json]`.

The product's own parts, wired as the product wires them, each fed again and again with what it gets in a call: no
sockets, and no other thread but the journal's. Warm: heads, decisions and pins are known, which is what a busy gateway
sees; `_cold` says what the first of its kind costs. Stages nest: `call_whole_us` is everything between the last byte
read from the client and the last byte written to it, without the system's calls.

Each figure is the best of several rounds, as the floor is what the code costs; the host adds to it. The peer of the
parsing stages is the standard library's `json`, of inspection `re`: what one would write without thinking twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _messages import CALL, RESULT

from watchkeeper.app.gateway import assemble
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.gateway.edges import render
from watchkeeper.gateway.edges.admission import Head, admit, known_request
from watchkeeper.gateway.edges.http import ClientConnection
from watchkeeper.gateway.going import inbound_of
from watchkeeper.gateway.heads import cut
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.inspection import Surface, definitions_in
from watchkeeper.protocol.message import parse_message

TOOLS = b'{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object"}}]}'
ANSWER_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 25 Nov 2026 17:58:02 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n"
)
ANSWER = ANSWER_HEAD % len(RESULT) + RESULT
Figures = dict[str, float]


class Wire(asyncio.Transport):
    """A transport without a socket: it tells `on_write` and keeps nothing."""

    def __init__(self, on_write: Callable[[bytes], None] = lambda _: None) -> None:
        super().__init__()
        self.on_write = on_write

    def write(self, data: Any) -> None:
        self.on_write(data)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


def best(
    work: Callable[[], object], rounds: int, seconds: float = 0.04, between: Callable[[], object] = lambda: None
) -> float:
    """Microseconds a call; `between` is done before each round and not counted."""
    for _ in range(20):
        work()
    found = float("inf")
    for _ in range(rounds):
        between()
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for _ in range(20):
                work()
            count += 20
        found = min(found, (time.perf_counter() - start) / count * 1e6)
    return round(found, 2)


def request(port: int, token: str, body: bytes, tag: str = "") -> bytes:
    """A call as a client sends it; `tag` makes its head one that was never seen."""
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
        f"Mcp-Name: echo\r\nAuthorization: Bearer {token}\r\n{tag}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(data: Path, rounds: int) -> Figures:
    os.environ["WATCHKEEPER_LOOPS_REFUSE"] = "0"  # the same call a million times is this script's nature
    loaded = load(None, data)
    with opened(data, "gateway") as platform:
        token = platform.clients.mint("bench", by="operator:bench")
        definitions = definitions_in("tools/list", TOOLS)
        platform.pins.observe("bench", definitions, {one.fingerprint: () for one in definitions})
        upstream = HttpUpstream("http://127.0.0.1:9/mcp", loaded.settings.gateway)
        gateway, _ = assemble(loaded, [Route(name="bench", upstream=upstream)], platform)
        await gateway.start()
        try:
            return await stages(gateway, upstream, token, rounds)
        finally:
            await gateway.drain(0)


async def stages(gateway: Any, upstream: HttpUpstream, token: str, rounds: int) -> Figures:
    door = gateway.doors[0]
    exchange = door.begin.__self__._begin.__self__
    guard, chronicle, route = exchange._guard, exchange._chronicle, exchange._route
    data = request(door.port, token, CALL)
    call, answer = parse_message(CALL), parse_message(RESULT)
    figures: Figures = {
        "parse_call_us": best(lambda: parse_message(CALL), rounds),
        "parse_answer_us": best(lambda: parse_message(RESULT), rounds),
        "peer_json_us": best(lambda: json.loads(CALL), rounds),
        "inspect_call_us": best(lambda: guard._inspect(Surface.ARGUMENTS, call.params), rounds),
        "inspect_answer_us": best(lambda: guard._inspect(Surface.RESULT, answer.result), rounds),
        "guard_call_us": best(lambda: guard.on_request(route, "agent:bench", call), rounds),
        "guard_answer_us": best(lambda: guard.on_answer(route, "agent:bench", call, answer), rounds),
    }
    await asyncio.sleep(0)
    journal = chronicle._journal

    def catch_up() -> None:
        journal.wait(journal._next - 1)

    loop = asyncio.get_running_loop()

    async def connect(factory: Callable[[], Any], *_: Any, **__: Any) -> tuple[Wire, Any]:
        link, wire = factory(), Wire()
        wire.on_write = lambda _: link.data_received(ANSWER)  # a server that answers while it is spoken to
        link.connection_made(wire)
        return wire, link

    loop.create_connection = connect  # type: ignore[method-assign, assignment]
    written: list[bytes] = []
    client, wire = ClientConnection(door), Wire(written.append)
    client.connection_made(wire)
    client.data_received(data)
    while not written:
        await asyncio.sleep(0)
    assert written[0].endswith(RESULT), written
    wire.on_write = lambda _: None
    figures["call_whole_us"] = best(lambda: client.data_received(data), rounds, between=catch_up)
    numbers = iter(range(10**9))
    figures["call_whole_cold_head_us"] = best(
        lambda: client.data_received(request(door.port, token, CALL, f"X-N: {next(numbers)}\r\n")), rounds
    )
    kept: list[Any] = []
    real, chronicle.decided = chronicle.decided, lambda one: kept.append(one) or 0
    client.data_received(data)
    chronicle.decided = real
    figures["event_us"] = best(lambda: chronicle.decided(kept[0]), rounds, between=catch_up)
    lines = [line.split(b": ", 1) for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    head = Head(verb=b"POST", target=b"/mcp", headers=[(name, value) for name, value in lines], version="1.1")
    figures["admit_head_us"] = best(lambda: admit(head, door.rules), rounds)
    figures["admit_known_head_us"] = best(lambda: _known(data, door.rules), rounds)
    out = Outbound(200, kept[0].answer and [(b"Content-Type", b"application/json")], RESULT)
    figures["render_answer_us"] = best(lambda: render.whole(out, close=False), rounds)
    figures["upstream_begin_us"] = best(lambda: upstream.begin(inbound_of(kept[0]), _drop), rounds)
    pattern = re.compile(b"|".join(b"(?:%s)" % word for word in (b"ignore", b"password", b"token")), re.IGNORECASE)
    figures["peer_re_us"] = best(lambda: pattern.search(CALL), rounds)
    return figures


def _known(data: bytes, rules: Any) -> object:
    head, at, length = cut(data)  # type: ignore[misc]
    return known_request(head, length, rules), data[at:]


def _drop(_: object) -> None:
    """Nobody waits."""


def rows(figures: Figures) -> list[dict[str, object]]:
    peers = {"parse": ("stdlib json", "peer_json_us"), "inspect": ("stdlib re, three words", "peer_re_us")}
    found: list[dict[str, object]] = []
    for metric, value in figures.items():
        if metric.startswith("peer"):
            continue
        row: dict[str, object] = {"metric": metric, "value": value, "unit": "us"}
        if peer := peers.get(metric.partition("_")[0]):
            row |= {"peer": peer[0], "peer_value": figures[peer[1]], "ratio": round(value / figures[peer[1]], 3)}
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-bench-") as folder:
        results = rows(asyncio.run(measure(Path(folder), 5 if options.quick else 25)))
    if options.json:
        print(json.dumps({"name": "stages", "results": results}))
        return
    for row in results:
        print(f"{row['metric']:28} {row['value']:>10} us   {row.get('ratio', ''):>8} {row.get('peer', '')}")


if __name__ == "__main__":
    main()
