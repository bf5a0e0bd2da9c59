"""Evidence that is stored once, under its digest, and read back as the journal has it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.respond.conftest import CLOCK, Estate
from watchkeeper.core.errors import NotFound
from watchkeeper.events import JournalReader
from watchkeeper.respond.ports import Asking
from watchkeeper.respond.vault import KEPT, Vault

ASKING = Asking("run:snapshot:1", "system:respond", "before it is changed", "i")
CHILD = """
import os, signal, sys
from pathlib import Path
from watchkeeper.core.clock import SystemClock
from watchkeeper.events import Journal, JournalReader
from watchkeeper.respond import vault as room
from watchkeeper.respond.ports import Asking

data, where = Path(sys.argv[1]), sys.argv[2]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
journal = Journal.open(data, "child", SystemClock())
vault = room.Vault(data, journal, JournalReader(data), SystemClock())
if where == "object":
    key = vault._key("run:snapshot:1")
    write = vault._write
    vault._write = lambda path, content: die() if path == key else write(path, content)
elif where == "note":
    vault._record = die
elif where == "event":
    journal.wait = lambda index: (Journal.wait(journal, index), die())
vault.keep("files", {"a": 1}, Asking("run:snapshot:1", "system:respond", "before it is changed", "i"))
"""


def vault_of(estate: Estate) -> Vault:
    return Vault(estate.data, estate.journal, JournalReader(estate.data), CLOCK)


@pytest.mark.behaviour("evidence.once-under-its-key")
@pytest.mark.parametrize("where", ["object", "note", "event"])
def test_killed_anywhere_one_object_is_kept_under_a_key_and_told_once(estate: Estate, where: str) -> None:
    child = subprocess.run([sys.executable, "-c", CHILD, str(estate.data), where], check=False, timeout=60)
    assert child.returncode == -signal.SIGKILL
    vault = vault_of(estate)
    kept = vault.keep("files", {"a": 1 if where == "object" else 2}, ASKING)
    assert vault.read(kept.digest) == b'{"a":1}'
    assert vault.keep("files", {"a": 3}, ASKING) == kept
    assert vault.check(ASKING.key).is_whole
    (event,) = estate.events(KEPT)
    assert (event.body["digest"], event.body["size"], event.target) == (kept.digest, 7, "files")


@pytest.mark.behaviour("evidence.proven-by-reading")
@pytest.mark.parametrize("flaw", ["changed", "gone", "never kept"])
def test_evidence_that_is_not_what_the_journal_says_does_not_verify(estate: Estate, flaw: str) -> None:
    vault = vault_of(estate)
    kept = vault.keep("files", {"a": 1}, ASKING)
    path = next((estate.data / "evidence" / "objects").glob("*/*"))
    if flaw == "changed":
        path.write_bytes(b'{"a":2}')
    elif flaw == "gone":
        path.unlink()
    checked = vault.check(ASKING.key if flaw != "never kept" else "another")
    assert (checked.is_whole, bool(checked.reason)) == (False, True)
    assert flaw == "never kept" or checked.said == kept.digest


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", "sha256:" + "0" * 64, "md5:1"])
def test_what_names_no_evidence_is_not_found(estate: Estate, digest: str) -> None:
    with pytest.raises(NotFound):
        vault_of(estate).read(digest)


@pytest.mark.behaviour("evidence.volatile-state-is-kept")
def test_a_sealed_secret_is_told_from_another_and_is_not_shown(estate: Estate, tmp_path: Path) -> None:
    vault = vault_of(estate)
    assert vault.seal("s3cret") == vault.seal("s3cret") != vault.seal("other")
    assert "s3cret" not in vault.seal("s3cret")
    elsewhere = Vault(tmp_path / "elsewhere", estate.journal, JournalReader(estate.data), CLOCK)
    assert elsewhere.seal("s3cret") != vault.seal("s3cret")
