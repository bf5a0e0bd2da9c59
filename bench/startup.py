"""How long `watchkeeper gateway` takes from its start to the answer of a first call.

    python bench/startup.py [--json] [--quick] [--rounds N]

The command is started as a user starts it, in front of a small HTTP server in this process; as soon as its ready line
is there, one `tools/call` is sent with the token of the file that the line names. Two cases, each the median of the
rounds, and the clock runs from before the process is made until the answer is read:

- start_to_first_call_s: on a data folder that has been used before, as after every restart or upgrade;
- start_to_first_call_s_fresh: on an empty one, where tables are made, rules compiled and a token minted first.

ready_s is what the ready line itself says of the first case. The files are warm: the first round is not counted.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}'
RESULTS = {
    "tools/list": b'{"tools":[{"name":"echo","description":"Says it again.","inputSchema":{"type":"object"}}]}',
    "tools/call": b'{"content":[{"type":"text","text":"hello"}]}',
}


class Server(http.server.BaseHTTPRequestHandler):
    """The smallest MCP server of the older era that a first call needs."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = RESULTS.get(asked["method"], b"{}")
        body = b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (json.dumps(asked.get("id")).encode(), result)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


def once(data: Path, upstream: str) -> tuple[float, float]:
    """Seconds to the first answer, and those the ready line names."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "watchkeeper", "gateway", "--upstream", upstream, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--name", "bench", "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        if "error" in line:
            raise SystemExit(line["error"]["reason"])
        token = Path(line["clients"][0]["token_file"]).read_text().strip()
        url = urlsplit(line["servers"]["bench"])
        link = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        link.request("POST", url.path, CALL, headers | {"Accept": "application/json, text/event-stream"})
        answer = link.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200 or b"hello" not in body:
            raise SystemExit(f"the first call was answered with {answer.status}: {body!r}")
        link.close()
        return took, line["seconds"]
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run, not how fast")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    rounds = 2 if asked.quick else asked.rounds
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    upstream = f"http://127.0.0.1:{server.server_address[1]}/mcp"
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-bench-"))
    try:
        used = folder / "used"
        once(used, upstream)
        warm = [once(used, upstream) for _ in range(rounds)]
        fresh = [once(folder / f"fresh-{at}", upstream) for at in range(rounds)]
    finally:
        server.shutdown()
        shutil.rmtree(folder)
    figures = {
        "start_to_first_call_s": round(statistics.median(took for took, _ in warm), 3),
        "start_to_first_call_s_fresh": round(statistics.median(took for took, _ in fresh), 3),
        "ready_s": round(statistics.median(ready for _, ready in warm), 3),
        "rounds": rounds,
    }
    if asked.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
