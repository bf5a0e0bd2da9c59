"""A wrapped server: both directions, judged, in order; lines that are no messages; and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.stdio.conftest import META, Remembered
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.limits.settings import LimitSettings

SCRIPTED = "stdio_scripted.py"
ECHO = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"
"""Sends every line back."""
MANY = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "method" in message and "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/x", "params": {"of": message["id"]}}))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}}), flush=True)
"""


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def request(method: str, id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


@pytest.mark.behaviour("wrap.same-bytes")
async def test_what_is_allowed_arrives_byte_for_byte_with_its_own_id(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    line = b'{ "jsonrpc":"2.0", "vendor":{"x":[1.0,2e3]},"id":"a\\u0062","method":"echo" , "params":{"b":1,"a":2}}'
    await desk.send(line)
    said = await desk.read()
    assert said["id"] == "ab"
    assert said["result"]["line"].encode() == line
    assert desk.requests() == [("echo", "allow", "")]


@pytest.mark.behaviour("wrap.both-eras")
async def test_the_era_of_a_request_is_in_the_request(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.ask("initialize", {"protocolVersion": "2025-11-25", "clientInfo": {"name": "c", "version": "1"}})
    await desk.ask("echo", {"_meta": META}, id=2)
    events = desk.events.of("gateway.request.decided")
    assert [(event.era, event.claimed) for event in events] == [("legacy", "c"), ("modern", "test")]
    wrong = META | {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    said = await desk.ask("echo", {"_meta": wrong}, id=3)
    assert said["error"]["code"] == -32022
    assert said["error"]["data"]["requested"] == "2099-01-01"


@pytest.mark.behaviour("wrap.denied-in-both-shapes")
async def test_a_denied_request_is_answered_and_never_forwarded(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    desk.guard.denied_methods = {"tools/call", "echo", "notifications/x"}
    said = await desk.ask("tools/call", {"name": "t", "arguments": {}})
    assert said["result"]["isError"]
    assert "The test says no." in said["result"]["content"][0]["text"]
    assert (await desk.ask("echo", id=2))["error"]["code"] == 40301
    await desk.send({"jsonrpc": "2.0", "method": "notifications/x"})
    seen = (await desk.ask("seen", id=3))["result"]["seen"]
    assert [json.loads(line)["method"] for line in seen] == ["seen"]
    assert [outcome for _, outcome, _ in desk.requests()][:3] == ["deny"] * 3


@pytest.mark.behaviour("wrap.denied-in-both-shapes")
async def test_a_denied_answer_never_reaches_the_client(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    desk.guard.denied_words = {b"poison"}
    said = await desk.ask("echo", {"x": "poison"})
    assert said["error"]["code"] == 40301
    assert "poison" not in json.dumps(said)


async def test_in_observe_mode_everything_passes_and_what_would_not_have_is_recorded(wrap: Any) -> None:
    desk = await wrap(SCRIPTED, shadow=True)
    desk.guard.denied_methods = {"echo"}
    assert "result" in await desk.ask("echo")
    event = desk.events.of("gateway.request.decided")[0]
    assert (event.outcome, event.labels) == ("deny", ("shadow",))


async def test_a_listing_is_judged_as_one_and_can_be_thinned_out(wrap: Any) -> None:
    desk = await wrap(code=ECHO)
    desk.guard.replaced["tools/list"] = b'{"jsonrpc":"2.0","id":1,\n"result":{"tools":[]}}'
    await desk.send(request("tools/list"))
    # what comes back is a request of the server's by the same id: the ids of both directions are apart
    assert (await desk.read())["method"] == "tools/list"
    await desk.send({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "held"}]}})
    assert await desk.line() == b'{"jsonrpc":"2.0","id":1, "result":{"tools":[]}}\n'
    assert len(desk.guard.listings) == 1


async def test_a_tool_that_was_never_listed_is_looked_at_first(wrap: Any) -> None:
    code = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    if m.get('method') == 'tools/list':\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': 'r', 'method': 'roots/list'}), flush=True)\n"
        "        roots = json.loads(sys.stdin.readline())\n"
        "        result = {'tools': [], 'roots': roots['id']}\n"
        "    else:\n"
        "        result = {'called': m.get('params', {}).get('name')}\n"
        "    if 'id' in m: print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': result}), flush=True)\n"
    )
    desk = await wrap(code=code)
    desk.guard.unlisted = {"t"}
    await desk.send(request("tools/call", 1, name="t", arguments={}))
    await desk.send(request("tools/call", 2, name="u", arguments={}))
    asked = await desk.read()
    assert (asked["id"], asked["method"]) == ("r", "roots/list")
    await desk.send({"jsonrpc": "2.0", "id": "r", "result": {"roots": []}})
    assert [await desk.read() for _ in range(2)] == [
        {"jsonrpc": "2.0", "id": 1, "result": {"called": "t"}},
        {"jsonrpc": "2.0", "id": 2, "result": {"called": "u"}},
    ]
    assert json.loads(desk.guard.listings[0].raw)["result"]["roots"] == "r"


@pytest.mark.behaviour("wrap.order-kept")
async def test_a_thousand_messages_each_way_keep_their_order(wrap: Any) -> None:
    desk = await wrap(code=MANY)
    data = b"".join(json.dumps(request("x/y", n)).encode() + b"\n" for n in range(1000))
    writing = asyncio.create_task(desk.write(data))
    for n in range(1000):
        assert (await desk.read()).get("params") == {"of": n}
        assert await desk.read() == {"jsonrpc": "2.0", "id": n, "result": {}}
    await writing


async def test_a_server_asks_and_gets_its_answer(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("ask"))
    assert (await desk.read())["method"] == "elicitation/create"
    await desk.send({"jsonrpc": "2.0", "id": "q1", "result": {"action": "accept"}})
    assert json.loads((await desk.read())["result"]["reply"])["result"] == {"action": "accept"}


@pytest.mark.behaviour("wrap.withheld-request-answered")
async def test_a_servers_request_that_is_withheld_is_answered_in_the_clients_place(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    desk.guard.denied_words = {b"elicitation"}
    reply = json.loads((await desk.ask("ask"))["result"]["reply"])
    assert (reply["id"], reply["error"]["code"]) == ("q1", 40301)


@pytest.mark.behaviour("wrap.withheld-request-answered")
async def test_an_answer_of_the_client_that_is_withheld_reaches_the_server_as_an_error(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("ask"))
    await desk.read()
    desk.guard.denied_methods = {""}
    await desk.send({"jsonrpc": "2.0", "id": "q1", "result": {"secret": "x"}})
    reply = json.loads((await desk.read())["result"]["reply"])
    assert reply["error"]["code"] == 40301
    assert "secret" not in reply


async def test_a_modern_server_that_sends_requests_is_told_that_it_may_not(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    said = await desk.ask("ask", {"_meta": META})
    assert json.loads(said["result"]["reply"])["error"]["code"] == -32601


async def test_an_answer_to_a_question_nobody_asked_goes_no_further(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send({"jsonrpc": "2.0", "id": "q9", "result": {}})
    assert len((await desk.ask("seen"))["result"]["seen"]) == 1
    assert desk.events.of("gateway.request.refused")


@pytest.mark.behaviour("wrap.cancellation-passes")
async def test_a_cancellation_reaches_the_server_and_a_late_answer_reaches_nobody(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("hang", "h"))
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "h"}}
    await desk.send(cancel)
    seen = (await desk.ask("seen"))["result"]["seen"]
    assert json.loads(seen[1]) == cancel
    assert ("hang", "allow", "cancelled") in desk.requests()
    assert "result" in await desk.ask("echo", id="h")


@pytest.mark.behaviour("wrap.bad-lines-answered")
@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        (b"not json", None, -32700),
        (b'{"jsonrpc":"2.0","id":7,"method":"x","method":"y"}', None, -32700),
        (b"[]", None, -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}', 7, -32602),
        (b'{"jsonrpc":"1.0","id":"a","method":"x"}', "a", -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"x"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1.0,"method":"x"}', None, -32600),
        (b'{"jsonrpc":"2.0","id":5,"result":1,"error":{}}', None, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"x\xff"}', None, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"a\rb"}', None, -32700),
    ],
)
async def test_a_line_that_is_no_message_is_answered_and_never_forwarded(
    wrap: Any, line: bytes, id: Any, code: int
) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(line)
    said = await desk.read()
    assert (said["id"], said["error"]["code"]) == (id, code)
    assert len((await desk.ask("seen"))["result"]["seen"]) == 1


@pytest.mark.behaviour("wrap.bad-lines-answered")
async def test_a_bad_notification_and_an_empty_line_are_not_answered(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.write(b'\n \r\n{"jsonrpc":"2.0","method":""}\n{"jsonrpc":"2.0","method":"n","params":[]}\n')
    assert len((await desk.ask("seen"))["result"]["seen"]) == 1


async def test_an_id_that_is_open_is_refused_and_can_be_used_again_afterwards(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("hang", 1))
    assert (await desk.ask("echo", id=1))["error"]["code"] == -32600
    assert "result" in await desk.ask("echo", id="1")
    assert "result" in await desk.ask("echo", id="1")


@pytest.mark.behaviour("wrap.one-line-each")
async def test_line_breaks_between_tokens_become_spaces(wrap: Any) -> None:
    desk = await wrap(code=ECHO)
    await desk.write(b'{"jsonrpc":"2.0",\r"method":"notifications/a"}\r\n')
    assert await desk.line() == b'{"jsonrpc":"2.0", "method":"notifications/a"}\n'


@pytest.mark.behaviour("wrap.long-lines-bounded")
async def test_a_line_beyond_the_limit_is_refused_and_the_next_one_is_served(wrap: Any) -> None:
    desk = await wrap(SCRIPTED, message_bytes=10_000)
    await desk.send(json.dumps(request("echo", 1, x="x" * 3_000_000)).encode())
    said = await desk.read()
    assert (said["id"], said["error"]["code"]) == (None, 41300)
    assert "result" in await desk.ask("echo", id=2)
    assert len((await desk.ask("seen", id=3))["result"]["seen"]) == 2


@pytest.mark.behaviour("wrap.long-lines-bounded")
async def test_a_server_that_writes_a_line_without_end_is_ended(wrap: Any) -> None:
    desk = await wrap("stdio_flawed.py", "endless_line", line_bytes=1_000_000)
    await desk.ask("initialize")
    said = await desk.ask("tools/list", id=2)
    assert said["error"]["code"] == 50200
    assert "a line of more than" in said["error"]["message"]
    assert await desk.over() == []


async def test_large_messages_pass_both_ways(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    said = await desk.ask("echo", {"x": "x" * 3_000_000})
    assert len(said["result"]["line"]) > 3_000_000


@pytest.mark.behaviour("wrap.nothing-but-messages")
async def test_what_a_server_prints_that_is_no_message_is_kept_from_the_client(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    assert (await desk.ask("garbage"))["result"] == {}
    assert desk.child.garbage == 1
    silly = await wrap("stdio_flawed.py", "wrong_ids")
    await silly.ask("initialize")
    assert "result" in await silly.ask("tools/list", id=2)
    assert silly.between.dropped == 2


@pytest.mark.behaviour("wrap.stderr-passes")
async def test_log_text_passes_without_secrets_and_control_characters(wrap: Any) -> None:
    desk = await wrap(SCRIPTED, env={"TOKEN": "s3cr3t-value"})
    await desk.ask("stderr")
    desk.leave()
    await desk.over()
    assert desk.told == ["a line for the log\\x1b[31m [secret]"]


async def test_a_flood_of_notifications_is_bounded_and_the_answer_still_arrives(wrap: Any) -> None:
    desk = await wrap("stdio_flawed.py", "floods")
    await desk.ask("initialize")
    await desk.send(request("tools/list", 2))
    lines = 0
    while "id" not in (message := await desk.read()):
        lines += 1
    assert message["id"] == 2
    assert 2000 <= lines < 4000


async def test_a_slow_client_makes_a_fast_server_wait_and_loses_nothing(wrap: Any) -> None:
    code = (
        "import sys\n"
        "sys.stdin.readline()\n"
        "text = 'x' * 100000\n"
        'for n in range(400): print(\'{"jsonrpc":"2.0","method":"notifications/x","params":'
        '{"n":%d,"t":"%s"}}\' % (n, text))\n'
    )
    desk = await wrap(code=code)
    await desk.send({"jsonrpc": "2.0", "method": "notifications/go"})
    assert [(await desk.read())["params"]["n"] for _ in range(400)] == list(range(400))
    assert await desk.over() == []


async def test_a_request_that_is_never_answered_is_given_up_and_the_server_told(wrap: Any) -> None:
    desk = await wrap(SCRIPTED, silence=0.3)
    said = await desk.ask("hang", id="h")
    assert (said["id"], said["error"]["code"]) == ("h", 40800)
    seen = [json.loads(line) for line in (await desk.ask("seen", id=2))["result"]["seen"]]
    assert seen[1]["params"]["requestId"] == "h"
    assert ("hang", "allow", "upstream_silent") in desk.requests()


async def test_progress_extends_the_time_up_to_the_ceiling(wrap: Any) -> None:
    code = (
        "import json, sys, time\n"
        "m = json.loads(sys.stdin.readline())\n"
        "while True:\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'method': 'notifications/progress', 'params': {'progressToken': 't',"
        " 'progress': 1}}), flush=True)\n"
        "    time.sleep(0.05)\n"
    )
    desk = await wrap(code=code, silence=0.5, ceiling=1.5)
    await desk.send(request("x", 1, _meta={"progressToken": "t"}))
    began = asyncio.get_running_loop().time()
    while (said := await desk.read()).get("id") is None:
        assert said["method"] == "notifications/progress"
    assert said["error"]["code"] == 40800
    assert asyncio.get_running_loop().time() - began >= 1.4


async def test_a_message_beyond_a_limit_is_refused(wrap: Any) -> None:
    gate = Gate({"few": LimitSettings(per=("principal",), calls=1, seconds=60)})
    desk = await wrap(SCRIPTED, gate=gate)
    call = {"name": "t", "arguments": {}}
    assert (await desk.ask("tools/call", call))["error"]["code"] == -32601, "the server has no tools, and said so"
    said = await desk.ask("tools/call", call, id=2)
    assert "limit:few" in said["result"]["content"][0]["text"]
    assert len(desk.requests()) == 2


async def test_what_is_held_against_a_limit_is_given_back(wrap: Any) -> None:
    code = (
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    if 'id' in m and m['params']['name'] != 'hang':\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': {}}), flush=True)\n"
    )
    gate = Gate({"one": LimitSettings(per=("principal",), concurrent=1)})
    desk = await wrap(code=code, gate=gate)
    call = {"name": "t", "arguments": {}}
    for n in range(3):
        assert "result" in await desk.ask("tools/call", call, id=n)
    await desk.send(request("tools/call", "h", name="hang", arguments={}))
    assert (await desk.ask("tools/call", call, id=8))["result"]["isError"]
    await desk.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "h"}})
    assert "isError" not in (await desk.ask("tools/call", call, id=9))["result"]


class Broken(Remembered):
    """A journal whose disk is full once `full` is set."""

    full = False

    @property
    def healthy(self) -> bool:  # type: ignore[override]
        return not self.full

    def append(self, event: Any) -> int:
        if self.full:
            raise Unavailable("the disk is full")
        return super().append(event)


@pytest.mark.behaviour("wrap.unrecorded-is-refused")
async def test_what_cannot_be_recorded_does_not_pass(wrap: Any) -> None:
    journal = Broken()
    desk = await wrap(SCRIPTED, journal=journal)
    await desk.ask("initialize")
    journal.full = True
    assert (await desk.ask("echo", id=2))["error"]["code"] == 50300
    journal.full = False
    seen = (await desk.ask("seen", id=3))["result"]["seen"]
    assert [json.loads(line)["method"] for line in seen] == ["initialize", "seen"]


# -- the end


@pytest.mark.behaviour("wrap.ends-with-its-client")
async def test_when_the_client_closes_the_server_ends_and_its_last_words_pass(wrap: Any) -> None:
    code = (
        "import sys\n"
        "sys.stdin.read()\n"
        'print(\'{"jsonrpc":"2.0","method":"notifications/bye"}\', flush=True)\n'
        "sys.exit(3)\n"
    )
    desk = await wrap(code=code)
    desk.leave()
    assert [json.loads(line)["method"] for line in await desk.over()] == ["notifications/bye"]
    assert desk.child.returncode == 3


async def test_a_client_that_writes_everything_and_closes_gets_every_answer(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.write(b"".join(json.dumps(request("echo", n)).encode() + b"\n" for n in range(50)))
    desk.leave()
    assert [json.loads(line)["id"] for line in await desk.over()] == list(range(50))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.behaviour("wrap.ends-with-its-client")
@pytest.mark.parametrize("flaw", ["ignores_the_end", "leaves_a_grandchild"])
async def test_no_process_outlives_its_client(wrap: Any, tmp_path: Path, flaw: str) -> None:
    desk = await wrap("stdio_flawed.py", flaw, str(tmp_path / "pids"), finish=0.3)
    await desk.ask("initialize")
    family = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(map(is_running, family))
    desk.leave()
    await desk.over()
    async with asyncio.timeout(20):
        while any(map(is_running, family)):
            await asyncio.sleep(0.01)


@pytest.mark.behaviour("wrap.ends-with-its-server")
async def test_when_the_server_dies_whoever_waits_is_told(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("hang", 1))
    said = await desk.ask("die", id=2)
    assert (said["id"], said["error"]["code"]) == (1, 50200)
    assert "exit code 3" in said["error"]["message"]
    assert (await desk.read())["id"] == 2
    assert await desk.over() == []
    assert ("hang", "allow", "upstream_failed") in desk.requests()


async def test_being_asked_to_stop_ends_it_at_once(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.send(request("hang", 1))
    await desk.ask("echo", id=2)
    desk.stop.set()
    assert [json.loads(line)["id"] for line in await desk.over()] == [1]
    assert desk.child.gone.is_set()
    assert ("hang", "allow", "cancelled") in desk.requests()


async def test_a_client_that_reads_no_more_ends_it(wrap: Any) -> None:
    desk = await wrap(SCRIPTED)
    await desk.ask("initialize")
    desk._transport.close()
    async with asyncio.timeout(30):
        while not desk.between._writer.broken.is_set():
            await desk.send(request("echo", 5))
            await asyncio.sleep(0.01)
        await desk.running
    assert desk.child.gone.is_set()
