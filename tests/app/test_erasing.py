"""Erasing a person's data in every store, and the proof that it is not there."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.app import erasing_child
from tests.app.conftest import command
from watchkeeper.app.absence import absence_of, erasures, planned
from watchkeeper.app.desk import Desk
from watchkeeper.app.platform import Platform, opened
from watchkeeper.core.errors import Denied, Invalid, Untrusted
from watchkeeper.events import Event, JournalReader, new_event
from watchkeeper.events.erasure.lake import LakeFile, in_folder, look_at
from watchkeeper.events.erasure.scanning import values_of
from watchkeeper.events.journal import verifier, verify
from watchkeeper.events.lake.holds import Hold, Holds, Scope
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.lake.search import Search
from watchkeeper.events.lake.table import lake_folder
from watchkeeper.gateway.credentials.grants import Grant

T = 1_790_000_000_000_000
ADA, BOB = "agent:ada", "agent:bob"
STEPS = ("noted", "destroyed", "forgotten", "scrubbed", "lake", "recorded")


def call(number: int, actor: str, **more: Any) -> Event:
    body = {"arguments": f'{{"from":"{actor}","n":{number}}}'}
    return new_event(T + number, "gateway.request.decided", actor=actor, server="s", target="t", body=body, **more)


def fill(data: Path, platform: Platform) -> None:
    """Ada's and Bob's calls in several commits of the lake, one of Bob's records about Ada, grants of both."""
    with LakeReader(data) as lake:
        for part in range(3):
            for number in range(part * 20, part * 20 + 20):
                last = platform.journal.append(call(number, (ADA, BOB, "agent:ada2")[number % 3]))
            platform.journal.wait(last)
            lake.fill()
        about = new_event(T + 900, "detect.alert.raised", actor="system:detect", target=ADA, body={"of": [ADA, 1]})
        platform.journal.record(about)
        lake.fill()
    for name in (ADA, BOB):
        grant = Grant(
            id=f"g-{name[-3:]}",
            principal=name,
            server="files",
            issuer="https://i",
            resource="r",
            client="c",
            scope="",
            sealed="x",
        )
        platform.grants.put(grant, "operator:olga")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("estate") / "data"
    with opened(data, "cli") as platform:
        fill(data, platform)
    return data


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "data"))


def erase(data: Path, subject: str = ADA) -> dict[str, Any]:
    with opened(data, "cli") as platform:
        return erased_by(platform, subject)


def erased_by(platform: Platform, subject: str) -> dict[str, Any]:
    """What was done, by a process that has the folder open."""
    by = "operator:zoe" if subject == "operator:olga" else "operator:olga"
    return Desk(platform).erasing.erase({"subject": subject, "by": by})


def report(data: Path, subject: str = ADA, erasure: str = "") -> dict[str, Any]:
    said: dict[str, Any] = json.loads(absence_of(data, subject, erasure)["statement"])
    return said


def found(said: dict[str, Any]) -> dict[str, str]:
    return {place["store"]: place["verdict"] for place in said["places"] if place["verdict"] != "absent"}


def actors(data: Path) -> list[str]:
    return [event.actor for event in Search(data).events(unbounded=True, limit=1000) if event.server == "s"]


@pytest.mark.behaviour("privacy.erased-everywhere")
@pytest.mark.behaviour("privacy.mentions-told-apart")
@pytest.mark.behaviour("privacy.tree-unchanged")
def test_nothing_of_the_subject_is_left_and_everything_of_others(data: Path) -> None:
    before = report(data)
    assert before["is_absent"] is False
    assert {"journal", "journal keys", "lake: files", "lake: log", "control state: gateway_grants"} <= set(
        found(before)
    )
    size = verify(data).logs[0].records
    done = erase(data)
    assert (done["rows"]["lake"]["rows"], done["rows"]["grants"], len(done["keys"])) == (20, 1, 1)
    after = report(data, erasure=done["erasure"])
    assert after["is_absent"] is True, found(after)
    assert set(found(after).values()) == {"mentioned"}
    assert {place["own"] for place in after["places"]} == {0}
    (log,) = after["logs"]
    assert (log["code"], log["erased"], log["is_unchanged"], log["size_before"]) == (0, 20, True, size + 1)
    assert after["erasure"]["keys"] == done["keys"]
    positions = [n for first, last in after["erasure"]["positions"]["cli"] for n in range(first, last + 1)]
    unreadable = [r.position.index for r in JournalReader(data).read({}, limit=1000) if r.event is None]
    assert positions == unreadable
    assert sorted(set(actors(data))) == ["agent:ada2", BOB]
    assert len(actors(data)) == 40
    about = Search(data).events(unbounded=True, kind="detect.alert.raised")[0]
    assert (about.target, about.body) == (ADA, {"of": [ADA, 1]})
    assert done["before"]["cli"]["root"] == log["root_before"] != log["root"]


@pytest.mark.behaviour("privacy.erased-everywhere")
def test_the_lake_goes_on_and_nothing_comes_back(data: Path) -> None:
    erase(data)
    with opened(data, "cli") as platform:
        platform.journal.record(call(901, BOB))
    with LakeReader(data) as lake:
        lake.fill()
        lake.tidy()
    assert len(actors(data)) == 41
    assert report(data)["is_absent"] is True


@pytest.mark.behaviour("privacy.rebuild-skips")
def test_a_lake_that_is_filled_again_has_not_what_was_erased(data: Path) -> None:
    erase(data)
    shutil.rmtree(data / "lake")
    with LakeReader(data) as lake:
        lake.fill()
        assert lake.unreadable == 20
    assert sorted(set(actors(data))) == ["agent:ada2", BOB]
    assert report(data)["is_absent"] is True


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_a_copy_that_was_set_aside_is_found_and_goes(data: Path) -> None:
    shutil.copytree(lake_folder(data), data / "lake" / "events.damaged")
    assert found(report(data))["lake, set aside: files"] == "found"
    assert erase(data)["rows"]["lake"]["aside"] == 1
    assert report(data)["is_absent"] is True


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_what_is_left_anywhere_is_never_called_absent(data: Path, pristine: Path) -> None:
    erase(data)
    files = lake_folder(pristine).rglob("part*.parquet")
    old = next(path for path in files if ("actor", ADA) in values_of(path))
    stray = lake_folder(data) / "tenant=default" / "stray.parquet"
    shutil.copyfile(old, stray)
    assert found(report(data))["lake: files"] == "found"
    stray.write_bytes(b"PAR1 and then nothing of the kind PAR1")
    said = report(data)
    assert (said["is_absent"], found(said)["lake: files"]) == (False, "unread")
    stray.unlink()
    shutil.copyfile(
        sorted((lake_folder(pristine) / "_delta_log").glob("*1.json"))[0], lake_folder(data) / "_delta_log" / "x.json"
    )
    assert found(report(data))["lake: log"] == "found"


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_a_lake_elsewhere_that_cannot_be_reached_is_unread_and_not_absent(data: Path) -> None:
    erase(data)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        store = f'endpoint = "http://127.0.0.1:{nobody.getsockname()[1]}"\nretries = 0\n'
        keys = 'access_key = "env:PATH"\nsecret_key = "env:PATH"\n'
        settings = data / "watchkeeper.toml"
        settings.write_text(f'[lake]\nurl = "s3://bucket/lake"\n[lake.store]\n{store}{keys}')
        said = report(data)
        assert (said["is_absent"], found(said)["lake at s3://bucket/lake"]) == (False, "unread")
        settings.write_text('[lake]\nurl = "s3://bucket/lake"\n[lake.store]\naccess_key = "env:NOT_SET_ANYWHERE"\n')
        said = report(data)
        assert (said["is_absent"], found(said)["lake at s3://bucket/lake"]) == (False, "unread")
        settings.unlink()
        (data / "lake" / "place.json").write_text("{")
        said = report(data)
        assert (said["is_absent"], found(said)["lake at noted in lake/place.json"]) == (False, "unread")


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_a_file_that_must_be_unpacked_is_unread_wherever_it_lies(data: Path) -> None:
    erase(data)
    aside = data / "lake.old"
    aside.mkdir()
    (aside / "copy.bin").write_bytes(gzip.compress(f'{{"actor":"{ADA}"}}'.encode()))
    said = report(data)
    assert (said["is_absent"], found(said)["folder: lake.old"]) == (False, "unread")
    (aside / "copy.bin").write_text(f'{{"actor":"{ADA}"}}')
    assert found(report(data))["folder: lake.old"] == "mentioned"


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_files_that_go_while_they_are_looked_at_are_looked_for_again(data: Path) -> None:
    listing = in_folder(data / "lake")
    files = listing()
    gone = [LakeFile(f"events/{n}.parquet", 1, lambda: nullcontext(data / "nothing")) for n in range(20)]
    rounds = iter([[gone[0], *files[:1]], files])
    assert [p.own for p in look_at("lake", lambda: next(rounds), ADA) if p.store == "lake: files"] == [
        p.own for p in look_at("lake", listing, ADA) if p.store == "lake: files"
    ]
    endless = iter([one] for one in gone)
    assert [p.verdict for p in look_at("lake", lambda: next(endless), ADA)][-1] == "unread"


@pytest.mark.behaviour("privacy.proof-of-absence")
def test_what_a_database_freed_and_did_not_overwrite_is_found(data: Path) -> None:

    erase(data)
    database = sqlite3.connect(data / "state.db")
    database.execute("PRAGMA secure_delete=OFF")
    database.execute("CREATE TABLE made (x TEXT)")
    database.executemany("INSERT INTO made VALUES (?)", [(f"{ADA} was here",)] * 500)
    database.commit()
    database.execute("DELETE FROM made")
    database.commit()
    database.close()
    said = report(data)
    assert (said["is_absent"], found(said)["control state: all bytes"]) == (False, "found")


@pytest.mark.behaviour("privacy.hold-wins")
def test_a_legal_hold_wins_and_the_refusal_is_recorded(data: Path) -> None:
    hold = Hold(name="case-7", reason="court", by="operator:lea", placed_at=T, scope=Scope(actor=ADA))
    Holds(data).place(hold)
    assert [one["name"] for one in planned(data, ADA)["holds"]] == ["case-7"]
    with pytest.raises(Denied) as refused:
        erase(data)
    assert (refused.value.rule, "case-7" in refused.value.reason) == ("lake.hold", True)
    assert len(actors(data)) == 60
    refusals = [
        r.event for r in JournalReader(data).read({}, limit=1000) if r.event and r.event.kind.endswith("refused")
    ]
    assert [(event.body["holds"], event.outcome) for event in refusals] == [(["case-7"], "deny")]
    assert erase(data, BOB)["rows"]["lake"]["rows"] == 20, "the hold is about somebody else"


@pytest.mark.behaviour("privacy.hold-wins")
def test_a_register_of_holds_that_cannot_be_read_forbids_everything(data: Path) -> None:
    (data / "lake" / "holds.json").write_text("{")
    with pytest.raises(Exception, match="damaged"):
        erase(data)
    assert len(actors(data)) == 60


@pytest.mark.behaviour("privacy.hold-wins")
@pytest.mark.behaviour("lake.holds.do-not-vanish")
def test_a_hold_whose_register_is_gone_still_forbids_the_erasure(data: Path) -> None:
    hold = Hold(name="case-7", reason="court", by="operator:lea", placed_at=T, scope=Scope(actor=ADA))
    Holds(data).place(hold)
    (data / "lake" / "holds.json").unlink()
    with pytest.raises(Untrusted, match="is gone"):
        erase(data)
    assert len(actors(data)) == 60
    Holds(data).restore()
    with pytest.raises(Denied):
        erase(data)


@pytest.mark.behaviour("privacy.name-is-forgotten")
def test_the_name_is_in_no_event_of_the_erasure_and_no_file(data: Path) -> None:
    done = erase(data)
    events = [r for r in JournalReader(data).read({}, limit=1000) if r.event and r.event.time > T + 1000]
    mine = [r for r in events if r.event and r.event.kind in ("journal.subject.erased", "privacy.erasure.completed")]
    assert len(mine) == 2
    assert [r for r in mine if re.search(rb"\bada\b", r.record)] == []
    assert list((data / "erasing").iterdir()) == []
    assert [one["erasure"] for one in erasures(data)] == [done["erasure"]]


@pytest.mark.behaviour("privacy.found-by-mark")
def test_an_erasure_is_found_by_the_name_and_by_no_other(data: Path) -> None:
    assert report(data)["erasure"] == {}
    first, bob = erase(data), erase(data, BOB)
    with opened(data, "cli") as platform:
        platform.journal.record(call(950, ADA))
    second = erase(data)
    found = report(data)["erasure"]
    assert (found["erasure"], found["earlier"]) == (second["erasure"], [first["erasure"]])
    assert report(data, BOB)["erasure"]["erasure"] == bob["erasure"]
    assert report(data, "agent:ada2")["erasure"] == {}
    assert report(data, erasure=first["erasure"])["erasure"]["erasure"] == first["erasure"]
    with pytest.raises(Invalid, match="somebody else"):
        report(data, BOB, erasure=first["erasure"])
    assert len({first["mark"], bob["mark"]}) == 2
    assert first["mark"] == second["mark"]
    assert first["mark"] not in {hashlib.sha256(name.encode()).hexdigest() for name in (ADA, "ada")}
    key = data / "keys" / "erasures.key"
    key.chmod(0o644)
    with pytest.raises(Untrusted):
        report(data)
    key.unlink()
    assert report(data)["erasure"] == {}
    assert report(data, erasure=first["erasure"])["is_absent"] is True
    assert erase(data, "agent:ada2")["mark"]


@pytest.mark.parametrize("subject", ["ada", "system:gateway", "", "agent:", "agent:a\nb"])
@pytest.mark.behaviour("privacy.command")
def test_what_is_no_subject_is_refused(data: Path, subject: str) -> None:
    with pytest.raises(Invalid):
        erase(data, subject)
    with pytest.raises(Invalid):
        planned(data, subject)


def killed(data: Path, step: str) -> None:
    done = subprocess.run(
        [sys.executable, erasing_child.__file__, str(data), ADA, step], check=False, capture_output=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.behaviour("privacy.crash-is-finished")
def test_killed_at_any_step_it_is_finished_and_the_report_tells_the_truth(data: Path, step: str) -> None:
    killed(data, step)
    between = report(data)
    assert (between["is_absent"], between["is_under_way"]) == (False, True)
    assert found(between)["folder: erasing"] == "mentioned"
    assert [row["state"] for row in erasures(data)][-1] == "under way"
    with opened(data, "cli") as platform:
        Desk(platform).erasing.resume()
    (last,) = {row["erasure"] for row in erasures(data)}
    after = report(data, erasure=last)
    assert (after["is_absent"], after["logs"][0]["is_unchanged"]) == (True, True), found(after)
    assert len(after["erasure"]["keys"]) == 1
    assert len(actors(data)) == 40


@pytest.mark.behaviour("privacy.hold-wins")
def test_a_hold_that_comes_before_the_keys_are_destroyed_ends_it(data: Path) -> None:
    with opened(data, "cli") as platform:
        erasing = Desk(platform).erasing
        hold = Hold(name="case-8", reason="court", by="operator:lea", placed_at=T, scope=Scope(actor=ADA))
        erasing.passed = lambda step: Holds(data).place(hold) if step == "noted" else None
        with pytest.raises(Denied):
            erasing.erase({"subject": ADA, "by": "operator:olga"})
        assert erasing.resume() == []
    assert len(actors(data)) == 60


@pytest.mark.slow
@pytest.mark.behaviour("privacy.command")
def test_by_command_with_a_report_that_anybody_checks(data: Path, tmp_path: Path) -> None:
    at = ("--data", str(data))
    assert command("privacy", "verify", ADA, *at).returncode == 1
    asked = command("privacy", "erase", ADA, *at)
    assert (asked.returncode, "--yes" in asked.stderr) == (65, True)
    dry = json.loads(command("privacy", "erase", ADA, "--dry-run", "--json", *at).stdout)
    assert [place["own"] for place in dry["places"] if place["store"] == "journal"] == [20]
    done = json.loads(command("privacy", "erase", ADA, "--yes", "--json", *at).stdout)
    proof = tmp_path / "report.json"
    verified = command("privacy", "verify", ADA, "--out", str(proof), *at)
    assert verified.returncode == 0, verified.stdout
    key = data / "journal" / "cli" / "public.vkey"
    checked = subprocess.run(
        [sys.executable, verifier.__file__, str(proof), "--key", str(key)], check=False, capture_output=True, text=True
    )
    assert (checked.returncode, "SIGNED" in checked.stdout) == (0, True), checked.stderr
    assert "all 20 erased entries are in the tree" in checked.stdout
    said = json.loads(proof.read_text())
    proof.write_text(json.dumps(said | {"statement": said["statement"].replace('"own":0', '"own":1', 1)}))
    forged = subprocess.run(
        [sys.executable, verifier.__file__, str(proof), "--key", str(key)], check=False, capture_output=True, text=True
    )
    assert forged.returncode == 1
    listed = command("privacy", "erasures", *at)
    assert done["erasure"] in listed.stdout
