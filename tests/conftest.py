"""What holds for every test: where CI has installed everything, a skip is a failure; and what the product records is
what the catalogue of events says.

Tests marked `corpora` measure on data outside of the repository; without it they are left out, and that is said.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from tests.recorded import misfits, watch
from watchkeeper.core.files import FALLBACK, socket_folder
from watchkeeper.core.sockets import clear

pytest_plugins = ["tests.disks", "tests.postgres"]

watch()
hypothesis_settings.register_profile("no deadline", deadline=None)  # a busy machine is no failure
hypothesis_settings.load_profile("no deadline")
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""For properties whose examples take a second each: a failure is told at once, not when the time of the test is up."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("WATCHKEEPER_ALLOW_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where skips are not allowed: {report.longrepr}"
    if misfits and report.when != "setup":
        report.outcome = "failed"
        report.longrepr = "recorded, and not as the catalogue says:\n" + "\n".join(misfits)
        misfits.clear()
    return report


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only slow tests are wanted, files that do not have the word need not be read."""
    is_needless = config.option.markexpr == "slow" and collection_path.suffix == ".py"
    return True if is_needless and b"slow" not in collection_path.read_bytes() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs the corpora where they are not."""
    if (Path(os.environ.get("WATCHKEEPER_CORPORA") or "nowhere") / "manifest.json").is_file():
        return
    left_out = [item for item in items if item.get_closest_marker("corpora")]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take away the sockets of this run's data folders, whose names are long, and old ones of runs that were killed."""
    left = {path.name: path for path in Path(tempfile.gettempdir()).glob(f"{FALLBACK}{os.getuid()}-*")}
    base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # pytest has no public way
    clear([place for folder in _folders(base) if (place := left.get(socket_folder(folder).name))], 0)
    clear(left.values())


def _folders(base: Path, deep: int = 4) -> Iterator[Path]:
    yield base
    with suppress(OSError), os.scandir(base) as entries:
        inside = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)] if deep else []
        for folder in inside:
            yield from _folders(folder, deep - 1)


def pytest_report_header() -> str:
    """Said loudly: nothing was measured on foreign data."""
    told = os.environ.get("WATCHKEEPER_CORPORA")
    return f"corpora: {told}" if told else "corpora: none (tests on foreign data are left out; set WATCHKEEPER_CORPORA)"
