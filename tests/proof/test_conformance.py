"""The official conformance suite, direct and through a gateway, compared check by check.

No list of expected failures: whatever the suite requires of either revision passes, and nothing else is worse through
the gateway than without it. Better it may be in what `BETTER` names.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.proof.cache import ROOT, modules, node
from tests.proof.gateway import gateway_before

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

REVISIONS = ("2025-11-25", "2026-07-28")
BETTER = {"dns-rebinding-protection", "http-header-validation"}
"""Scenarios the gateway may pass where the server alone does not."""
NOT_REQUIRED = ("tasks-", "json-schema-2020-12", "server-sse-polling")
"""Extensions and scenarios that the suite itself does not score, and that our server does not have."""
CLIENT_SCENARIOS = {
    "2025-11-25": (
        "initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry",
        "json-schema-2020-12-preservation",
    ),
    "2026-07-28": (
        "tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers",
        "http-custom-headers", "http-invalid-tool-headers", "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
}  # fmt: skip
"""All that are not about authorization, which is another gateway's or this one's own business."""
BEHIND = {"WATCHKEEPER_TEST_BEHIND": "enforce"}
Checks = dict[str, Counter[tuple[str, str]]]
"""Scenario → how often each check had each outcome."""


@contextmanager
def everything() -> Iterator[str]:
    """The server that has what the suite asks for."""
    command = [sys.executable, str(ROOT / "tests/proof/everything.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def suite(*arguments: str, out: Path, env: dict[str, str]) -> Checks:
    """Run it, and read what it found."""
    preload = ("--import", str(ROOT / "tests/proof/token.mjs")) if "WATCHKEEPER_TEST_TOKEN" in env else ()
    program = modules() / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    process = await asyncio.create_subprocess_exec(
        node(), *preload, program, *arguments, "-o", out,
        env=os.environ | env | {"WATCHKEEPER_TEST_MODULES": str(modules()), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    checks: Checks = {}
    for path in out.rglob("checks.json"):
        checks[_scenario(path.parent.name)] = Counter((c["id"], c["status"]) for c in json.loads(path.read_bytes()))
    assert checks, errors.decode()[-500:]
    return checks


def _scenario(folder: str) -> str:
    """The scenario of a folder named `server-SCENARIO-2026-11-25T18-54-02-108Z`."""
    return folder[: -len("-2026-11-25T18-54-02-108Z")].removeprefix("server-")


@contextmanager
def reached(tmp_path: Path, how: str) -> Iterator[tuple[str, dict[str, str]]]:
    """A server, `direct` or behind a gateway that may `observe` or `enforce`: its URL, and what the suite must know."""
    with everything() as url:
        if how == "direct":
            yield url, {}
            return
        config = tmp_path / "watchkeeper.toml"
        config.write_text(f'[policy]\nfolders = ["{ROOT}/tests/proof/policies"]\n')
        extra = ["--config", str(config)] if how == "enforce" else []
        with gateway_before(url, observe=how == "observe", extra=extra) as (before, token):
            yield before, {"WATCHKEEPER_TEST_TOKEN": token}


def worse(direct: Checks, through: Checks) -> dict[str, list[str]]:
    """What differs, but for what became better where it may."""
    found = {}
    for scenario in direct.keys() | through.keys():
        gone, new = direct[scenario] - through[scenario], through[scenario] - direct[scenario]
        is_better = all(status == "SUCCESS" for _, status in new) and scenario in BETTER
        if (gone or new) and not is_better:
            found[scenario] = [f"direct {sorted(gone)}", f"through {sorted(new)}"]
    return found


def failed(checks: Checks) -> list[tuple[str, str]]:
    """Checks that did not pass, of scenarios that count."""
    counted = {scenario: found for scenario, found in checks.items() if not scenario.startswith(NOT_REQUIRED)}
    return [(scenario, check) for scenario, found in counted.items() for check, status in found if status == "FAILURE"]


@pytest.mark.behaviour("proof.conformance-server")
async def test_a_server_conforms_behind_the_gateway_exactly_as_it_does_without(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ends = {how: stack.enter_context(reached(tmp_path, how)) for how in ("direct", "observe", "enforce")}

        async def run(how: str, *what: str) -> Checks:
            url, env = ends[how]
            return await suite("server", "--url", url, *what, out=tmp_path / how / "-".join(what), env=env)

        cases = [(how, revision) for how in ends for revision in REVISIONS]
        found = await asyncio.gather(*(run(how, "--requirements", revision) for how, revision in cases))
        checks = dict(zip(cases, found, strict=True))
        for how, revision in cases[len(REVISIONS) :]:
            direct, through = checks["direct", revision], checks[how, revision]
            assert len(through) > 30
            for scenario in worse(
                direct, through
            ):  # some checks wait for 1.5 s at most: once more, with nothing beside
                again = ("--scenario", scenario, "--spec-version", revision, "--force")
                direct |= await run("direct", *again)
                through |= await run(how, *again)
            assert worse(direct, through) == {}
            assert failed(through) == []


@pytest.mark.behaviour("proof.conformance-client")
async def test_a_client_conforms_through_the_gateway_in_every_scenario(tmp_path: Path) -> None:
    command = f"{sys.executable} {ROOT / 'tests/proof/client.py'}"
    limit = asyncio.Semaphore(3)

    async def one(revision: str, scenario: str) -> Checks:
        out = tmp_path / revision / scenario
        options = ("--scenario", scenario, "--spec-version", revision, "--timeout", "60000")
        async with limit:
            return await suite("client", "--command", command, *options, out=out, env=BEHIND)

    cases = [(revision, scenario) for revision, names in CLIENT_SCENARIOS.items() for scenario in names]
    for case, checks in zip(cases, await asyncio.gather(*(one(*case) for case in cases)), strict=True):
        (found,) = checks.values()
        assert {status for _, status in found} <= {"SUCCESS", "INFO", "SKIPPED"}, case
        assert "SUCCESS" in {status for _, status in found}, case
