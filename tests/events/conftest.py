"""A small journal to copy and hurt, made once: five commits over three files, two subjects besides the log's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from watchkeeper.events import Event, Journal, JournalSettings, new_event

START = 1_790_000_000_000_000


def noise(number: int) -> str:
    """400 characters that do not compress well, the same for the same number."""
    return "".join(sha256(f"{number}/{part}".encode()).hexdigest() for part in range(7))[:400]


def event_of(number: int, actor: str = "agent:ada") -> Event:
    return new_event(
        START + number,
        "gateway.request.decided",
        actor=actor,
        server="time",
        target="get_current_time",
        outcome="allow",
        body={"number": number, "arguments": '{"timezone":"Europe/Paris"}', "result": noise(number)},
    )


@pytest.fixture(scope="session")
def make_event() -> Callable[..., Event]:
    return event_of


@pytest.fixture(scope="session")
def small_settings() -> JournalSettings:
    """Files so small that a few commits fill one."""
    return JournalSettings(segment_bytes=4096)


def fill(data_dir: Path, settings: JournalSettings, commits: int = 5, each: int = 6) -> None:
    """`commits` commits of `each` events, after the one that the opening makes."""
    journal = Journal.open(data_dir, "gateway", settings=settings)
    for commit in range(commits):
        for number in range(each):
            actor = ("agent:ada", "agent:bob", "")[number % 3]
            last = journal.append(event_of(commit * each + number, actor))
        journal.wait(last)
    journal.close()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, small_settings: JournalSettings) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "data"
    fill(folder, small_settings)
    return folder


@pytest.fixture
def data_dir(pristine: Path, tmp_path: Path) -> Path:
    """A copy to hurt."""
    return Path(shutil.copytree(pristine, tmp_path / "data"))


@pytest.fixture
def one_file(tmp_path: Path) -> Path:
    """The same events in a single file."""
    fill(tmp_path / "data", JournalSettings())
    return tmp_path / "data"


@pytest.fixture(scope="session")
def segments() -> Callable[[Path], list[Path]]:
    """The files of the log `gateway`."""
    return lambda data_dir: sorted((data_dir / "journal" / "gateway").glob("*.seg"))
