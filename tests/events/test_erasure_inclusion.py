"""Paths of erased records' entries: every one or an even sample, checked by the stand-alone verifier."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.errors import Untrusted, WatchkeeperError
from watchkeeper.events.erasure.inclusion import inclusions_of
from watchkeeper.events.erasure.model import Absence
from watchkeeper.events.erasure.statement import signed
from watchkeeper.events.journal import Journal
from watchkeeper.events.journal.verifier import Refused, Unreadable, check_absence
from watchkeeper.events.model import new_event

POSITIONS = {"cli": [[3, 3], [5, 24]], "gateway": [[2, 40]]}
TOTAL = 21 + 39


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs") / "data"
    for writer in POSITIONS:
        journal = Journal.open(folder, writer)
        for number in range(50):
            actor = f"agent:{number % 5}"
            last = journal.append(new_event(1_790_000_000_000_000, "gateway.request.decided", actor=actor))
            if number % 7 == 0:
                journal.wait(last)
        journal.erase("agent:1", "operator:olga")
        journal.close()
    return folder


def report(data: Path, bound: int = 1000) -> dict[str, Any]:
    absence = Absence(
        subject="agent:1",
        at=1,
        by="operator:olga",
        is_absent=True,
        places=(),
        logs=(),
        erasure={"positions": POSITIONS},
        inclusions=inclusions_of(data, POSITIONS, bound),
    )
    return signed(data, "cli", absence)


def keys(data: Path, *writers: str) -> list[str]:
    return [(data / "journal" / writer / "public.vkey").read_text() for writer in writers]


def of(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("inclusion")]


@pytest.mark.behaviour("privacy.entries-stand")
def test_every_erased_entry_is_shown_to_be_in_its_signed_tree(data: Path) -> None:
    made = report(data)
    for known in ([], keys(data, "cli"), keys(data, "gateway", "cli")):
        first, second = of(check_absence(made, known))
        assert ("all 21 erased entries" in first, "all 39 erased entries" in second) == (True, True)
        assert ("only the report says" in first) == (not known)
        assert ("only the report says" in second) == (len(known) < 2)
    with pytest.raises(Refused):
        check_absence(made, keys(data, "gateway"))


@pytest.mark.behaviour("privacy.entries-stand")
def test_of_too_many_an_even_sample_is_shown_and_called_one(data: Path) -> None:
    first, second = of(check_absence(report(data, 30), keys(data, "cli", "gateway")))
    assert ("10 of 21, a sample," in first, "19 of 39, a sample," in second) == (True, True)
    shown = [one["index"] for one in inclusions_of(data, POSITIONS, 30)[1]["entries"]]
    assert (shown[0], shown[-1], len(set(shown))) == (2, 40, 19)
    assert max(right - left for left, right in itertools.pairwise(shown)) <= 3


@pytest.mark.behaviour("privacy.entries-stand")
@pytest.mark.parametrize("what", ["entry", "index", "other", "path", "checkpoint", "twice", "empty"])
def test_what_does_not_lead_to_the_signed_root_is_refused(data: Path, what: str) -> None:
    said = json.loads(report(data)["statement"])
    log = said["inclusions"][0]
    one = log["entries"][4]
    if what == "entry":
        one["entry"] = base64.b64encode(b"\x02" + bytes(32)).decode()
    elif what == "index":
        one["index"] += 1
        log["entries"].pop(5)
    elif what == "other":
        one["index"] = 45
    elif what == "path":
        one["path"] = one["path"][:-1]
    elif what == "checkpoint":
        log["checkpoint"] = copy.deepcopy(said["inclusions"][1]["checkpoint"])
    elif what == "twice":
        log["entries"].append(one)
    else:
        log["entries"] = [{}]
    forged = signed(data, "cli", msgspec.convert(said, Absence))
    with pytest.raises((Refused, Unreadable, KeyError)):
        check_absence(forged, keys(data, "cli"))


@pytest.mark.behaviour("privacy.entries-stand")
def test_a_log_that_is_gone_or_was_cut_has_no_paths(data: Path, tmp_path: Path) -> None:
    there = Path(shutil.copytree(data, tmp_path / "data"))
    with pytest.raises(Untrusted):
        inclusions_of(there, {"cli": [[3, 2000]]})
    shutil.rmtree(there / "journal" / "gateway")
    with pytest.raises(WatchkeeperError):
        inclusions_of(there, POSITIONS)
