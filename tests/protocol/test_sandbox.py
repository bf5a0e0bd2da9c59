"""Servers that try to get out: each way is tried in each kind of sandbox, and refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.protocol.grants import Confinement, Grants, parts_without
from watchkeeper.protocol.sandbox import KINDS, OFF, Kind, Sandbox
from watchkeeper.protocol.spawn import Command, ServerProcess, Spawner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap and Landlock are Linux's")
PATIENCE = 30.0
ATTEMPT = """
import ctypes, json, os, socket, sys
def tried(what):
    try:
        return ["done", what()]
    except BaseException as error:
        return [type(error).__name__, str(error)]
def read(path):
    with open(path) as file:
        return file.read()
def write(path):
    with open(path, "a") as file:
        return file.write("x")
def connect(family, kind, address):
    link = socket.socket(family, kind)
    link.settimeout(5)
    link.connect(address)
    link.send(b"secret")
    return True
print(json.dumps(eval(sys.argv[1])), flush=True)
"""


class Cage:
    """Starts attempts in one kind of sandbox."""

    def __init__(self, sandbox: Sandbox, spawner: Spawner) -> None:
        self.sandbox = sandbox
        self.spawner = spawner

    async def start(self, *argv: str, cwd: str = "", **confinement: Any) -> tuple[ServerProcess, bytearray]:
        output = bytearray()
        command = Command((sys.executable, *argv), cwd=cwd, confinement=Confinement(**confinement))
        return await self.spawner.start(command, output.extend, output.extend), output

    async def tries(self, expression: str, **more: Any) -> Any:
        """What an expression in a confined server comes to."""
        process, output = await self.start("-c", ATTEMPT, expression, **more)
        try:
            async with asyncio.timeout(PATIENCE):
                await process.exited.wait()
                await process.silent.wait()
        finally:
            await process.stop(1)
        assert process.returncode == 0, bytes(output)
        return json.loads(output)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Sandbox:
    sandbox = Sandbox((request.param,), search=os.environ["PATH"])
    if not sandbox.kind().confines:
        pytest.skip(sandbox.kind().detail)
    return sandbox


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Our own folder, with a key in it."""
    folder = tmp_path / "home" / "data"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "journal.pem").write_text("the key")
    (tmp_path / "home" / "notes").write_text("a note")
    return folder


@pytest.fixture
async def cage(kind: Sandbox, data: Path) -> AsyncIterator[Cage]:
    spawner = Spawner(os.environ, sandbox=kind, hidden=[data])
    yield Cage(kind, spawner)
    spawner.close()


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def comes_true(what: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.01)
    return what()


@pytest.mark.behaviour("sandbox.files-out-of-reach")
async def test_a_server_reads_neither_passwords_nor_what_lies_beside_it(cage: Cage, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("tweet")
    home = Path.home() / f".watchkeeper-test-{os.getpid()}"
    home.write_text("a secret of the user")
    try:
        paths = ["/etc/shadow", str(canary), str(home), f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/mem"]
        for path in paths:
            outcome, said = await cage.tries(f"tried(lambda: read({path!r}))")
            assert outcome in ("FileNotFoundError", "PermissionError"), (path, said)
        outcome, said = await cage.tries(f"tried(lambda: os.listdir({str(tmp_path)!r}))")
        assert outcome in ("FileNotFoundError", "PermissionError"), said
    finally:
        home.unlink()


@pytest.mark.behaviour("sandbox.our-folder-never-seen")
@pytest.mark.parametrize("setting", ["read", "write"])
async def test_our_keys_stay_out_of_sight_even_inside_a_granted_folder(cage: Cage, data: Path, setting: str) -> None:
    around = str(data.parent)
    granted: dict[str, Any] = {setting: (around,)}
    note, key, listed = await cage.tries(
        f"[tried(lambda: read({around!r} + '/notes')), tried(lambda: read({str(data)!r} + '/keys/journal.pem')), "
        f"tried(lambda: os.listdir({str(data)!r}))]",
        **granted,
    )
    assert note == ["done", "a note"]
    assert key[0] in ("FileNotFoundError", "PermissionError")
    assert listed[0] in ("FileNotFoundError", "PermissionError") or listed == ["done", []]
    assert (await cage.tries(f"tried(lambda: write({str(data)!r} + '/keys/journal.pem'))", **granted))[0] != "done"
    inside: dict[str, Any] = {setting: (str(data / "keys"),)}
    assert (await cage.tries(f"tried(lambda: read({str(data)!r} + '/keys/journal.pem'))", **inside))[0] != "done"
    assert (data / "keys" / "journal.pem").read_text() == "the key"


@pytest.mark.behaviour("sandbox.our-folder-never-seen")
@pytest.mark.parametrize("setting", ["read", "write"])
async def test_our_keys_stay_out_of_sight_by_another_name(cage: Cage, data: Path, tmp_path: Path, setting: str) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "home")
    (tmp_path / "home" / "link").symlink_to(data)
    granted: dict[str, Any] = {setting: (str(tmp_path / "alias"),)}
    for place in (tmp_path / "alias" / "data", data, tmp_path / "home" / "link"):
        outcome, said = await cage.tries(f"tried(lambda: read({str(place / 'keys' / 'journal.pem')!r}))", **granted)
        assert outcome in ("FileNotFoundError", "PermissionError"), said
    assert (await cage.tries(f"tried(lambda: read({str(tmp_path / 'home' / 'notes')!r}))", **granted))[0] == "done"


@pytest.mark.behaviour("sandbox.our-folder-never-seen")
@pytest.mark.parametrize("setting", ["read", "write"])
async def test_a_hidden_file_is_hidden_like_a_folder(kind: Sandbox, tmp_path: Path, setting: str) -> None:
    (tmp_path / "settings.toml").write_text("a token")
    (tmp_path / "beside").write_text("a note")
    spawner = Spawner(os.environ, sandbox=kind, hidden=[tmp_path / "settings.toml", tmp_path / "never"])
    granted: dict[str, Any] = {setting: (str(tmp_path),)}
    try:
        names = "('settings.toml', 'beside')"
        reads = f"[tried(lambda: read({str(tmp_path)!r} + '/' + name)) for name in {names}]"
        settings, beside = await Cage(kind, spawner).tries(reads, **granted)
    finally:
        spawner.close()
    assert settings[0] != "done" or settings[1] == ""
    assert beside == ["done", "a note"]


@pytest.mark.behaviour("sandbox.our-folder-never-seen")
async def test_what_lies_around_our_keys_cannot_be_moved(cage: Cage, data: Path, tmp_path: Path) -> None:
    (data.parent / "mine").mkdir()
    for place in (data.parent, data):  # in a /tmp of its own it may move what leads there, and nothing of ours
        await cage.tries(f"tried(lambda: os.rename({str(place)!r}, {str(place)!r} + '2'))", write=(str(tmp_path),))
        assert not place.with_name(place.name + "2").exists()
    wrote = await cage.tries(f"tried(lambda: write({str(data.parent / 'mine' / 'x')!r}))", write=(str(tmp_path),))
    assert wrote[0] == "done"
    assert (data / "keys" / "journal.pem").read_text() == "the key"
    assert (data.parent / "mine" / "x").read_text() == "x"


@pytest.mark.behaviour("sandbox.writes-only-where-it-may")
async def test_a_server_writes_in_its_folders_and_nowhere_else(cage: Cage, tmp_path: Path) -> None:
    cwd, given, shown = (tmp_path / name for name in ("cwd", "given", "shown"))
    for folder in (cwd, given, shown):
        folder.mkdir()
    outcomes = await cage.tries(
        "[tried(lambda: write(path))[0] for path in "
        f"('here', {str(given / 'x')!r}, os.environ['HOME'] + '/x', os.environ['TMPDIR'] + '/x', "
        f"{str(shown / 'x')!r}, {str(tmp_path / 'x')!r}, '/usr/x', '/etc/hosts')]",
        cwd=str(cwd),
        write=(str(given),),
        read=(str(shown),),
    )
    assert outcomes[:4] == ["done"] * 4
    assert "done" not in (outcomes[4], *outcomes[6:])  # in between, a /tmp of its own may hide the real one
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and path.name in ("here", "x")) == [
        "here",
        "x",
    ]


@pytest.mark.behaviour("sandbox.no-network-is-none")
async def test_without_network_nothing_can_be_carried_out(cage: Cage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        reaches = (
            f"[tried(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {tcp.getsockname()[1]}))), "
            f"tried(lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', {udp.getsockname()[1]})))]"
        )
        assert [outcome for outcome, _ in await cage.tries(reaches, network=False)] == ["PermissionError"] * 2
        with pytest.raises(BlockingIOError):
            udp.recv(10)
        assert [outcome for outcome, _ in await cage.tries(reaches, network=True)] == ["done"] * 2


@pytest.mark.behaviour("sandbox.no-unix-sockets")
async def test_a_server_cannot_ask_another_program_through_a_unix_socket(cage: Cage, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(str(path))
        named.listen()
        abstract.bind(f"\0watchkeeper-test-{os.getpid()}")
        abstract.listen()
        for address in (str(path), f"\0watchkeeper-test-{os.getpid()}"):
            attempt = f"tried(lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, {address!r}))"
            assert (await cage.tries(attempt, write=(str(folder),)))[0] == "PermissionError"
    pair = await cage.tries("tried(lambda: len(socket.socketpair()))")
    assert pair == ["done", 2], "an event loop wakes itself by a pair"


async def test_a_server_makes_no_ring_and_reads_no_keyring(cage: Cage) -> None:
    numbers = {"x86_64": (425, 250), "aarch64": (425, 219)}[os.uname().machine]
    for number in numbers:
        refused = await cage.tries(
            f"[ctypes.CDLL(None, use_errno=True).syscall({number}, 0, 0, 0), ctypes.get_errno()]"
        )
        assert refused[0] == -1


@pytest.mark.behaviour("sandbox.no-privileges")
async def test_a_server_has_no_privileges_and_gains_none(cage: Cage) -> None:
    said, status = await cage.tries("tried(lambda: read('/proc/self/status'))")
    assert said == "done"
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


@pytest.mark.behaviour("sandbox.others-left-alone")
async def test_a_server_cannot_end_the_gateway_that_started_it(cage: Cage) -> None:
    if cage.sandbox.kind().name == "landlock" and int(cage.sandbox.kind().detail) < 6:
        pytest.skip("Landlock before ABI 6 knows nothing of signals")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as bystander:
        outcome, _ = await cage.tries(f"tried(lambda: os.kill({bystander.pid}, 9))")
        assert outcome in ("PermissionError", "ProcessLookupError")
        assert bystander.poll() is None
        bystander.kill()


FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=sys.argv[1] == "moves")
print("ready", flush=True)
time.sleep(600)
"""
OUTER = """
import asyncio, os, sys
from watchkeeper.protocol.sandbox import Sandbox
from watchkeeper.protocol.grants import Confinement
from watchkeeper.protocol.spawn import Command, Spawner
async def main():
    out = lambda data: (sys.stdout.buffer.write(data), sys.stdout.buffer.flush())
    sandbox = Sandbox((sys.argv[1],), search=os.environ["PATH"])
    argv = (sys.executable, "-c", sys.argv[2], sys.argv[3])
    process = await Spawner(os.environ, sandbox=sandbox).start(Command(argv, confinement=Confinement()), out, out)
    print(process.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def family_of(pid: int) -> set[int]:
    """A process and all it has started, as seen from outside."""
    found = {pid}
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found |= family_of(int(child))
    return found


@pytest.mark.behaviour("sandbox.ends-with-us")
@pytest.mark.parametrize(
    ("kind", "way"), [("bubblewrap", "stays"), ("bubblewrap", "moves"), ("landlock", "stays")], indirect=["kind"]
)
def test_nothing_confined_outlives_a_killed_gateway(kind: Sandbox, way: str) -> None:
    """Only a process namespace holds what moves to another session."""
    name = kind.kind().name
    with subprocess.Popen([sys.executable, "-c", OUTER, name, FAMILY, way], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        said = sorted((gateway.stdout.readline().strip(), gateway.stdout.readline().strip()))
        assert said[1] == b"ready", said
        family = family_of(int(said[0]))
        assert len(family) >= 2
        gateway.kill()
    assert comes_true(lambda: not any(map(is_running, family)))


@pytest.mark.parametrize("kind", ["bubblewrap"], indirect=True)
async def test_stopping_ends_what_a_confined_server_moved_away(cage: Cage) -> None:
    process, output = await cage.start("-c", FAMILY, "moves")
    async with asyncio.timeout(PATIENCE):
        while b"ready" not in output:
            await asyncio.sleep(0.01)
    family = family_of(process.pid)
    await process.stop(0.2)
    assert comes_true(lambda: not any(map(is_running, family)))


async def test_a_confined_server_ends_by_itself_with_its_own_exit_code(cage: Cage) -> None:
    process, _ = await cage.start("-c", "import sys; sys.stdin.read(); sys.exit(5)")
    assert process.sandbox == cage.sandbox.kind()
    await process.stop(20)
    assert process.returncode == 5


async def test_arguments_and_variables_pass_the_sandbox_as_they_are(cage: Cage) -> None:
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    process, output = await cage.start("-c", code, "{filter}", "--", "a b", "$(id)", "")
    async with asyncio.timeout(PATIENCE):
        await process.exited.wait()
        await process.silent.wait()
    await process.stop(1)
    argv, env = json.loads(output)
    assert argv == ["{filter}", "--", "a b", "$(id)", ""]
    assert Path(env["HOME"]).name == "home"
    assert not any(name.startswith("PYTHON") for name in env)


async def test_a_command_that_names_a_file_it_cannot_see_is_warned_of(
    cage: Cage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "server.py"
    program.write_text("print(1)")
    process, output = await cage.start(str(program))
    async with asyncio.timeout(PATIENCE):
        await process.exited.wait()
        await process.silent.wait()
    await process.stop(1)
    assert process.returncode != 0
    assert str(program) in caplog.text
    caplog.clear()
    process, output = await cage.start(str(program), read=(str(tmp_path),))
    async with asyncio.timeout(PATIENCE):
        await process.exited.wait()
        await process.silent.wait()
    await process.stop(1)
    assert (process.returncode, bytes(output), caplog.text) == (0, b"1\n", "")


async def test_a_program_outside_the_system_brings_its_installation(cage: Cage, tmp_path: Path) -> None:
    root = tmp_path / "opt" / "tool"
    (root / "bin").mkdir(parents=True)
    (root / "share").write_text("of the tool")
    (root / "bin" / "run").write_text(f"#!/usr/bin/env cat\n{root}\n")
    (root / "bin" / "run").chmod(0o700)
    link = tmp_path / "run"
    link.symlink_to(root / "bin" / "run")
    output = bytearray()
    command = Command((str(link), str(root / "share")), confinement=Confinement())
    process = await cage.spawner.start(command, output.extend, output.extend)
    async with asyncio.timeout(PATIENCE):
        await process.exited.wait()
        await process.silent.wait()
    await process.stop(1)
    assert b"of the tool" in output


@pytest.mark.behaviour("sandbox.required-or-not-started")
async def test_a_server_that_must_be_confined_is_not_started_where_nothing_confines(data: Path) -> None:
    spawner = Spawner(os.environ, sandbox=Sandbox(()), hidden=[data])
    try:
        command = Command((sys.executable, "-c", ""), confinement=Confinement(mode="require"))
        with pytest.raises(Unavailable, match="must not start without a sandbox"):
            await spawner.start(command, lambda _: None, lambda _: None)
    finally:
        spawner.close()


@pytest.mark.behaviour("sandbox.said-plainly")
async def test_where_nothing_confines_it_is_said_with_the_reason(tmp_path: Path) -> None:
    assert Sandbox(()).kind().label == "none: no kind of sandbox is to be used"
    assert Sandbox(("bubblewrap",), search=str(tmp_path)).kind().label == "none: bubblewrap is not installed"
    refuses = tmp_path / "bwrap"
    refuses.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    refuses.chmod(0o700)
    label = Sandbox(("bubblewrap",), search=f"{tmp_path}:{os.environ['PATH']}").kind().label
    assert label == "none: bubblewrap does not work here (bwrap: setting up uid map: Permission denied)"
    refuses.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    label = Sandbox(("bubblewrap",), search=f"{tmp_path}:{os.environ['PATH']}").kind().label
    assert label == "none: bubblewrap does not work here (it hides nothing)"
    assert Sandbox().kind_for(Confinement(mode="off")) == OFF
    assert Kind("landlock", "7").label == "landlock abi 7"


def test_a_sandbox_is_tried_once(tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(f"#!/bin/sh\necho x >> {tmp_path}/tried\nexit 1\n")
    bwrap.chmod(0o700)
    sandbox = Sandbox(("bubblewrap",), search=f"{tmp_path}:{os.environ['PATH']}")
    threads = [threading.Thread(target=sandbox.kind) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "tried").read_text() == "x\nx\n", "once with each way to make a user namespace"


def test_a_path_that_is_not_whole_is_misconfigured() -> None:
    with pytest.raises(Misconfigured):
        Command(("a",), confinement=Confinement(read=("notes",))).check()


def test_what_is_hidden_is_cut_out_of_what_lies_around_it(tmp_path: Path) -> None:
    for name in ("a/b/secret", "a/b/shown", "a/c"):
        (tmp_path / name).mkdir(parents=True)
    kept = parts_without(str(tmp_path), [str(tmp_path / "a" / "b" / "secret")])
    assert sorted(kept) == [str(tmp_path / "a" / "b" / "shown"), str(tmp_path / "a" / "c")]
    assert parts_without(str(tmp_path), []) == [str(tmp_path)]
    assert parts_without(str(tmp_path / "a"), [str(tmp_path / "a")]) == []


@pytest.mark.parametrize("kind", ["landlock"], indirect=True)
async def test_a_launcher_that_cannot_confine_does_not_start_the_server(cage: Cage) -> None:
    arranged = cage.sandbox.arrange(
        cage.sandbox.kind(), ["/bin/echo", "started"], Grants((), (), ()), cwd="/", network=True
    )
    broken = [part.replace('"abi":', '"abi":99,"ab_":') for part in arranged.argv]
    done = subprocess.run(broken, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "started" not in done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
async def test_git_works_where_it_may_write(cage: Cage, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    code = (
        f"__import__('subprocess').run(['git', '-C', {str(repository)!r}, '-c', 'user.name=a', '-c', 'user.email=a@b',"
        " 'commit', '-q', '--allow-empty', '-m', 'x'], capture_output=True, text=True).returncode"
    )
    assert await cage.tries(code, write=(str(repository),)) == 0
