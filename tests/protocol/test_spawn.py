"""Spawning: what a server gets of the host, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.protocol.spawn import Command, ServerProcess, Spawner, environment_for

HOST = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/somebody",
    "WATCHKEEPER_CONSOLE_KEY": "ours",
    "AWS_SECRET_ACCESS_KEY": "theirs",
    "LANG": "() { :; }; echo exported",
}
TELL = "import os, json, sys; print(json.dumps([dict(os.environ), os.getcwd(), os.listdir('.'), os.getsid(0)]))"
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(os.getpid(), child.pid, os.getcwd(), flush=True)
time.sleep(600)
"""


class Output:
    """Collects what a server writes and lets a test wait for a line of it."""

    def __init__(self) -> None:
        self.data = b""
        self.news = asyncio.Event()

    def __call__(self, data: bytes) -> None:
        self.data += data
        self.news.set()

    async def line(self) -> bytes:
        async with asyncio.timeout(20):
            while b"\n" not in self.data:
                self.news.clear()
                await self.news.wait()
        return self.data


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    spawner = Spawner(HOST)
    yield spawner
    spawner.close()


async def start(spawner: Spawner, *argv: str, **more: object) -> tuple[ServerProcess, Output]:
    output = Output()
    command = Command((sys.executable, *argv), **more)  # type: ignore[arg-type]
    return await spawner.start(command, output, lambda _: None), output


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until(what: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        os.sched_yield()
    return what()


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


@pytest.mark.behaviour("stdio.minimal-environment")
async def test_a_server_gets_a_short_list_of_variables_and_a_private_folder(spawner: Spawner) -> None:
    process, output = await start(spawner, "-c", TELL, env={"TOKEN": "t"})
    env, cwd, inside, session = json.loads(await output.line())
    assert {name for name in env if name != "LC_CTYPE"} == {"PATH", "HOME", "TOKEN"}  # python itself sets LC_CTYPE
    assert inside == []
    assert session == process.pid
    assert Path(cwd).stat().st_mode & 0o777 == 0o700
    await process.stop(5)
    assert not Path(cwd).exists()


async def test_a_configured_folder_is_used_and_kept(spawner: Spawner, tmp_path: Path) -> None:
    process, output = await start(spawner, "-c", TELL, cwd=str(tmp_path))
    assert json.loads(await output.line())[1] == str(tmp_path.resolve())
    await process.stop(5)
    assert tmp_path.exists()


@pytest.mark.behaviour("stdio.no-shell")
async def test_arguments_reach_the_program_as_they_are_written(spawner: Spawner, tmp_path: Path) -> None:
    hostile = f"$(touch {tmp_path}/pwned); `id` | cat > {tmp_path}/x"
    process, output = await start(spawner, "-c", "import sys; print(sys.argv[1])", hostile)
    assert (await output.line()).decode().strip() == hostile
    await process.stop(5)
    assert list(tmp_path.iterdir()) == []


@needs_proc
@pytest.mark.behaviour("stdio.no-inherited-descriptors")
async def test_a_server_inherits_none_of_our_descriptors(spawner: Spawner) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(ours, True)
    code = "import os; print(len(os.listdir('/proc/self/fd')))"
    process, output = await start(spawner, "-c", code)
    assert int(await output.line()) == 4  # three, and the one that lists them
    await process.stop(5)
    os.close(ours)
    os.close(theirs)


@needs_proc
@pytest.mark.behaviour("stdio.no-orphans")
async def test_stopping_ends_a_family_that_ignores_being_asked(spawner: Spawner) -> None:
    process, output = await start(spawner, "-c", FAMILY)
    family = [int(pid) for pid in (await output.line()).split()[:2]]
    await process.stop(0.2)
    assert process.returncode == -signal.SIGKILL
    assert wait_until(lambda: not any(map(is_running, family)))


async def test_a_server_that_reads_to_the_end_is_not_killed(spawner: Spawner) -> None:
    process, _ = await start(spawner, "-c", "import sys; sys.stdin.read(); sys.exit(5)")
    await process.stop(20)
    assert process.returncode == 5


async def test_writing_to_a_server_that_does_not_read_gives_up(spawner: Spawner) -> None:
    process, output = await start(spawner, "-c", "import time; print(1, flush=True); time.sleep(600)")
    await output.line()
    with pytest.raises(Unavailable):
        await process.write(b"x" * 4_000_000, 0.05)
    await process.stop(0.05)


async def test_writing_to_a_server_that_has_ended_is_an_error(spawner: Spawner) -> None:
    process, _ = await start(spawner, "-c", "")
    await asyncio.wait_for(process.exited.wait(), 20)
    with pytest.raises(Unavailable):
        await process.write(b"x", 1)
    await process.stop(1)


async def test_a_program_that_does_not_exist_is_named(spawner: Spawner) -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        await spawner.start(Command(("no-such-program",)), lambda _: None, lambda _: None)


@pytest.mark.parametrize(
    "command",
    [
        Command(()),
        Command(("",)),
        Command(("a\0b",)),
        Command(("a",), env={"WATCHKEEPER_X": "1"}),
        Command(("a",), env={"A=B": "1"}),
        Command(("a",), cwd="/no/such/folder"),
    ],
)
def test_a_command_that_can_never_start_is_misconfigured(command: Command) -> None:
    with pytest.raises(Misconfigured):
        command.check()


def test_the_configured_environment_wins() -> None:
    assert environment_for(Command(("a",), env={"PATH": "/only"}), HOST)["PATH"] == "/only"


@needs_proc
@pytest.mark.behaviour("stdio.children-die-with-us")
def test_a_family_dies_when_we_are_killed() -> None:
    gateway = """
import asyncio, os, sys
from watchkeeper.protocol.spawn import Command, Spawner
async def main():
    out = lambda data: (sys.stdout.buffer.write(data), sys.stdout.buffer.flush())
    await Spawner(os.environ).start(Command((sys.executable, "-c", sys.argv[1])), out, out)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", gateway, FAMILY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        *pids, folder = process.stdout.readline().split()
        family = [int(pid) for pid in pids]
        assert (len(family), Path(folder.decode()).is_dir()) == (2, True)
        process.kill()
        process.wait()
        assert wait_until(lambda: not any(map(is_running, family)))
        assert wait_until(lambda: not Path(folder.decode()).exists())
