"""Sockets of data folders with long names: in nobody else's folder, and nothing of them is left."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from watchkeeper.core import control, sockets
from watchkeeper.core.errors import Unavailable, Untrusted
from watchkeeper.core.files import FALLBACK, socket_folder, socket_path
from watchkeeper.core.sockets import leave, listening


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory with a short name, made after pytest's own."""
    folder = Path(f"/tmp/wk-{os.getpid()}")
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose name is too long for sockets."""
    folder = tmp_path / ("d" * 80)
    folder.mkdir()
    return folder


def dead(path: Path, age: float) -> Path:
    """A socket that a killed process left so many seconds ago."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


@pytest.mark.behaviour("core.sockets-leave-nothing")
async def test_whoever_ends_takes_its_socket_away_and_the_last_one_the_folder(temporary: Path, data: Path) -> None:
    paths = [socket_path(data, name) for name in ("watch", "console")]
    one, other = [await control.serve(path, {}) for path in paths]
    assert stat.S_IMODE(paths[0].parent.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    one.close()
    assert [path.exists() for path in paths] == [False, True]
    other.close()
    assert list(temporary.iterdir()) == []
    third = await control.serve(paths[0], {})
    one.close()  # a second time: the place is another's by now
    assert paths[0].exists()
    third.close()


@pytest.mark.behaviour("core.sockets-leave-nothing")
def test_what_killed_processes_left_goes_with_the_next_end_and_what_lives_stays(temporary: Path, data: Path) -> None:
    mine = socket_path(data, "watch")
    old = dead(socket_folder(data) / "gateway-1.sock", 61)
    gone = dead(socket_folder(data.parent / ("gone" * 30)) / "gateway-2.sock", 61)
    young = dead(socket_folder(data.parent / ("young" * 30)) / "gateway-3.sock", 1)
    (foreign := temporary / f"{FALLBACK}{os.getuid()}-notes").mkdir(mode=0o700)
    (foreign / "notes.txt").write_text("mine")
    lives = listening(socket_path(data.parent / ("lives" * 30), "watch"))
    with closing(lives), closing(listening(mine)):
        os.utime(lives.getsockname(), (0, 0))
        leave(mine)
        assert not any(path.parent.exists() for path in (mine, old, gone))
        assert young.exists()
        assert (foreign / "notes.txt").exists()
        assert Path(lives.getsockname()).exists()


@pytest.mark.behaviour("core.sockets-leave-nothing")
def test_a_folder_that_goes_while_somebody_binds_is_made_again(
    temporary: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, bind, times = socket_path(data, "watch"), sockets._bind, iter([1, 2])

    def bind_late(one: socket.socket, at: Path) -> None:
        if next(times, None):
            at.parent.rmdir()  # the process that was the last one in there ends
        bind(one, at)

    monkeypatch.setattr(sockets, "_bind", bind_late)
    with closing(listening(path)):
        assert path.is_socket()
    monkeypatch.setattr(sockets, "_bind", lambda one, at: (at.parent.rmdir(), bind(one, at)))
    leave(path)
    with pytest.raises(Unavailable):
        listening(path)


@pytest.mark.behaviour("core.sockets-leave-nothing")
def test_of_two_that_come_and_go_at_once_neither_fails(temporary: Path, data: Path) -> None:
    failures: list[Exception] = []

    def come_and_go(name: str) -> None:
        try:
            for _ in range(200):
                path = socket_path(data, name)
                with closing(listening(path)):
                    assert path.exists()
                    leave(path)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in ("watch", "console")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(temporary.iterdir()) == []


@pytest.mark.behaviour("core.sockets-in-own-folder")
@pytest.mark.parametrize("how", ["open", "link", "file", "theirs"])
def test_a_folder_that_somebody_made_first_is_not_used_by_either_side(
    temporary: Path, data: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = socket_path(data, "watch")
    if how == "open":
        path.parent.mkdir(mode=0o777)
        path.parent.chmod(0o777)
    elif how == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        path.parent.symlink_to(temporary / "elsewhere")
    elif how == "file":
        path.parent.write_text("")
    else:
        path.parent.mkdir(mode=0o700)
        uid = os.getuid()
        monkeypatch.setattr("os.getuid", lambda: uid + 1)
    with pytest.raises(Untrusted):
        listening(path)
    with pytest.raises(Untrusted):
        control.ask(path, "status")
    leave(path)
    assert os.path.lexists(path.parent)
