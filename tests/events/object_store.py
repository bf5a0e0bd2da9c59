"""An object store for tests: moto's S3 server behind a proxy that can break off, in a process of its own.

Of its own, because the engine keeps Python waiting while it waits for the store.
"""

from __future__ import annotations

import http.client
import http.server
import logging
import subprocess
import sys
from typing import Any


class Store:
    """Ends with the context."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        word, port = "", "0"
        while word != "port":
            word, _, port = self._process.stdout.readline().strip().partition(" ")
            if not word and self._process.poll() is not None:
                raise RuntimeError("the object store did not start")
        self._port = int(port)
        self.url = f"http://127.0.0.1:{port}"
        self.request("PUT", "/lake")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def breaks(self, when: str) -> int:
        """`before`: a PUT of a log entry does not reach the store; `after`: it does, and its answer is lost; `always`:
        nobody answers; empty: all is well. Returns how often it broke off so far."""
        return int(self.request("POST", f"/-/{when or 'never'}"))

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Of the store itself."""
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            link.request(method, path, body, {"X-Direct": "1"})
            return link.getresponse().read()
        finally:
            link.close()


class _Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behind = 0
    when = "never"
    broken = 0

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/-/"):
            _Proxy.when = self.path[3:]
            return self.answer(200, [], str(_Proxy.broken).encode())
        is_ours = self.headers.get("X-Direct") == "1"
        is_entry = self.command == "PUT" and "_delta_log" in self.path and ".json" in self.path
        if not is_ours and (self.when == "always" or (is_entry and self.when == "before")):
            return self.break_off()
        link = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        try:
            link.request(self.command, self.path, body, dict(self.headers))
            answer = link.getresponse()
            content = answer.read()
        finally:
            link.close()
        if is_entry and not is_ours and self.when == "after":
            return self.break_off()
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        return self.answer(answer.status, answer.getheaders(), content, length)

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def break_off(self) -> None:
        _Proxy.broken += 1
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward


def _serve() -> None:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    behind = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    behind.start()
    _Proxy.behind = behind.get_host_and_port()[1]
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    proxy.daemon_threads = True
    print("port", proxy.server_address[1], flush=True)
    proxy.serve_forever()


if __name__ == "__main__":
    _serve()
