"""What a real gateway stops of data on its way out and of attacks on their way in, with a proof of each decision.

    python bench/egress.py [--json] [--cases FILE ...] [--packs egress,flow] [--all] [--quick]

A gateway as `watchkeeper gateway` builds it, the starter policies and the named packs, in front of a server that keeps
what it gets. Each case is played by a client of its own. *Delivered* is what the server got, or the client was given,
on the wire; *blocked* is that at least one message of the case was not. For each case the event of its decision is
looked up in the journal, proven, and the proof checked by the stand-alone verifier with the log's key.

`egress_blocked`: of the malicious cases; `egress_false`: blocked of the benign ones; both over all cases, those that
are not played counted as misses. `egress_mcp_…`: those that are MCP, or the request of a tool, alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from _egress_cases import BRIDGED, Case, Step, read_cases, tools_of
from _rates import wilson

from watchkeeper.app.gateway import fit_out
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import load
from watchkeeper.core.content import content_folder
from watchkeeper.events import JournalReader
from watchkeeper.events.journal import prove, verifier
from watchkeeper.events.journal.writing.log import PUBLIC
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.pool import HttpUpstream

HERE = Path(__file__).resolve().parent.parent
CORPUS = "agent-egress-bench.jsonl"
PACKS = ("egress", "flow")
WAIT = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    case: Case
    blocked: bool
    rules: tuple[str, ...] = ()
    event: str = ""
    proven: bool = False


class Recorder:
    """An MCP server of bytes: answers what the case says, keeps what it gets."""

    def __init__(self, tools: list[dict[str, Any]]) -> None:
        self.got: list[dict[str, Any]] = []
        self._tools = {"tools": tools}
        self.next: Step | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                message = json.loads(await reader.readexactly(length) or b"{}")
                writer.write(self._answer(message))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, message: dict[str, Any]) -> bytes:
        if "id" not in message:
            return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
        step = self.next
        if step is not None and (step.method, step.params) == (message["method"], message.get("params", {})):
            self.got.append(message)
            result = step.result
        else:
            result = self._tools if message["method"] == "tools/list" else {}
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return head + body


class Player:
    """Plays cases through the gateway, each as a client of its own."""

    def __init__(self, recorder: Recorder, ports: dict[str, int], tokens: dict[str, str]) -> None:
        self._recorder, self._ports, self._tokens = recorder, ports, tokens

    async def play(self, number: int, case: Case) -> bool:
        """Whether any of its messages was stopped."""
        token, port = self._tokens[f"case-{number}"], self._ports[route_of(number, case)]
        for step in case.steps:
            self._recorder.next, before = step, len(self._recorder.got)
            answer = await self._post(port, token, step)
            arrived = len(self._recorder.got) > before
            if not arrived or (step.watched == "result" and answer.get("result") != step.result):
                return True
        return False

    async def _post(self, port: int, token: str, step: Step) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": 1, "method": step.method, "params": step.params}
        body = json.dumps(message, ensure_ascii=False).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
            "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        got = await asyncio.wait_for(reader.read(), WAIT)
        writer.close()
        said = got.partition(b"\r\n\r\n")[2]
        answer: dict[str, Any] = json.loads(said[said.index(b"{") : said.rindex(b"}") + 1]) if b"{" in said else {}
        return answer


def route_of(number: int, case: Case) -> str:
    """A case about definitions has a server of its own: what it lists must not meet another case's pins."""
    return "tools" if all(step.method == "tools/call" for step in case.steps) else f"case-{number}"


async def run(cases: list[Case], packs: tuple[str, ...], data: Path) -> list[Outcome]:
    played = [(number, case) for number, case in enumerate(cases) if case.steps]
    settings_of(data, packs)
    loaded = load(None, data)
    recorder = Recorder(tools_of(cases))
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    names = sorted({route_of(number, case) for number, case in played})
    with opened(data, "gateway") as platform:
        tokens = {f"case-{n}": platform.clients.mint(f"case-{n}", by="operator:bench") for n, _ in played}
        routes = [Route(name=name, upstream=HttpUpstream(url, loaded.settings.gateway)) for name in names]
        fitted = fit_out(loaded, routes, platform)
        await fitted.gateway.start()
        player = Player(recorder, dict(fitted.gateway.ports), tokens)
        blocked = {number: await player.play(number, case) for number, case in played}
        await fitted.gateway.drain(1)
    server.close()
    return await asyncio.to_thread(with_proofs, data, cases, blocked)


def settings_of(data: Path, packs: tuple[str, ...]) -> None:
    """A data folder whose gateway decides by the starter set and these packs, and asks nobody twice."""
    data.mkdir(exist_ok=True)
    folder = data / "policies"
    folder.mkdir()
    for pack in packs:
        source = content_folder("policies") / "packs" / f"{pack}.cedar"
        (folder / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    text_of = f'[policy]\nfolders = ["{folder}"]\n[approvals]\nwait_seconds = 0\n'
    (data / "watchkeeper.toml").write_text(text_of, encoding="utf-8")


def with_proofs(data: Path, cases: list[Case], blocked: dict[int, bool]) -> list[Outcome]:
    """Each case with the event that decided it and whether that event's proof holds."""
    key = (data / "journal" / "gateway" / PUBLIC).read_text(encoding="utf-8")
    decided = decisions(data)
    out = []
    for number, case in enumerate(cases):
        event, rules = decided.get(f"agent:case-{number}", ("", ()))
        out.append(Outcome(case, blocked.get(number, False), rules, event, bool(event) and holds(data, event, key)))
    return out


def decisions(data: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Client → its last decision that stopped something, or else its last."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    stopped: set[str] = set()
    for record in JournalReader(data).read({}, 1_000_000):
        event = record.event
        if event is None or not event.kind.startswith("gateway.") or not event.actor.startswith("agent:case-"):
            continue
        rules = tuple(event.body.get("rules", ()))
        stops = event.outcome != "success"
        if stops or event.actor not in stopped:
            found[event.actor] = (event.id, rules)
        if stops:
            stopped.add(event.actor)
    return found


def holds(data: Path, event: str, key: str) -> bool:
    """Whether the journal proves the event, by the verifier that needs nothing of ours, and by the key as it is."""
    try:
        proof = json.loads(json.dumps(prove(data, event)))
        return bool(verifier.check(proof, key)) and json.loads(proof["record"])["id"] == event
    except (verifier.Refused, verifier.Unreadable):
        return False


def rate(name: str, outcomes: list[Outcome], peer: float) -> dict[str, Any]:
    hits, n = sum(one.blocked for one in outcomes), len(outcomes)
    low, high = wilson(hits, n)
    value = hits / n if n else 0.0
    return {
        "metric": name, "value": round(value, 4), "unit": "share", "peer": "best seen", "peer_value": peer,
        "ratio": round(value / peer, 2) if peer else None, "hits": hits, "n": n, "low": round(low, 4),
        "high": round(high, 4),
    }  # fmt: skip


def results(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    rows = []
    for prefix, some in (
        ("egress", outcomes),
        ("egress_mcp", [o for o in outcomes if o.case.way not in ("", BRIDGED)]),
    ):
        rows.append(rate(f"{prefix}_blocked", [o for o in some if o.case.malicious], 1.0))
        rows.append(rate(f"{prefix}_false", [o for o in some if not o.case.malicious], 0.0))
    played = [one for one in outcomes if one.case.steps]
    proven = sum(one.proven for one in played)
    plain = {"unit": "count", "peer": "best seen", "peer_value": 0, "ratio": None}
    rows.append({"metric": "proofs_verified", "value": proven, **plain, "hits": proven, "n": len(played)})
    rows.append({"metric": "cases_left_out", "value": len(outcomes) - len(played), **plain})
    rows.append({"metric": "cases_carried_by_a_bridge", "value": sum(o.case.way == BRIDGED for o in played), **plain})
    return rows


def show(outcomes: list[Outcome], rows: list[dict[str, Any]], *, every: bool) -> None:
    families: Counter[tuple[str, str, str]] = Counter()
    for one in outcomes:
        kind = "malicious" if one.case.malicious else "benign"
        families[one.case.family, kind, "blocked" if one.blocked else "delivered"] += 1
        if every or one.blocked != one.case.malicious or (one.case.steps and not one.proven):
            said = "blocked" if one.blocked else one.case.left_out or "delivered"
            rules = ", ".join(one.rules)
            sys.stdout.write(f"{kind:9} {said:9} {one.case.family:24} {one.case.id}  {one.event}  {rules}\n")
    for (family, kind, said), count in sorted(families.items()):
        sys.stdout.write(f"{family:24} {kind:9} {said:9} {count}\n")
    for row in rows:
        interval = f"  {row['hits']}/{row['n']}" if "n" in row else ""
        interval += f"  [{row['low']:.1%}, {row['high']:.1%}]" if "low" in row else ""
        sys.stdout.write(f"{row['metric']:28} {row['value']:>7}{interval}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="every second case")
    parser.add_argument("--all", action="store_true", help="a line for each case, not for the wrong ones alone")
    parser.add_argument("--cases", type=Path, nargs="+", help="files of cases in the corpora's format")
    parser.add_argument("--packs", default=",".join(PACKS), help="packs of policies beside the starter set")
    parser.add_argument("--corpora", default=os.environ.get("WATCHKEEPER_CORPORA", HERE.parent / "shared" / "corpora"))
    chosen = parser.parse_args()
    files = chosen.cases or [Path(chosen.corpora) / CORPUS]
    if missing := [path for path in files if not path.is_file()]:
        sys.stderr.write(f"SKIPPED: there is no {missing[0]}; nothing was played and nothing is said\n")
        if chosen.json:
            sys.stdout.write(json.dumps({"name": "egress", "skipped": True, "results": []}) + "\n")
        return
    cases = [case for path in files for case in read_cases(path)]
    cases = [replace(case, id=case.id) for case in cases[:: 2 if chosen.quick else 1]]
    packs = tuple(name for name in chosen.packs.split(",") if name)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(run(cases, packs, Path(folder) / "data"))
    rows = results(outcomes)
    if chosen.json:
        sys.stdout.write(json.dumps({"name": "egress", "results": rows}) + "\n")
    else:
        show(outcomes, rows, every=chosen.all)


if __name__ == "__main__":
    main()
