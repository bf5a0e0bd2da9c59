"""Many readers while one process writes and compacts: each of them sees a whole snapshot, always."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from watchkeeper.events.journal import Journal
from watchkeeper.events.lake import LakeSettings
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.events.model import new_event

T = 1_790_000_000_000_000
DAY = 86_400_000_000

_READER = textwrap.dedent("""
    import sys
    from deltalake import DeltaTable, QueryBuilder
    looks, versions = 0, set()
    sys.stdin.readline()
    while looks < 40 or not versions:
        table = DeltaTable(sys.argv[1])
        ask = QueryBuilder().register("events", table).execute
        rows = ask("SELECT writer, count(*) AS n, count(DISTINCT idx) AS d, max(idx) AS m, "
                   "sum(CASE WHEN body = '' THEN 1 ELSE 0 END) AS e FROM events GROUP BY writer").read_all()
        columns = [rows[name].to_pylist() for name in ("writer", "n", "d", "m")] if rows.num_rows else []
        for writer, count, distinct, most in zip(*columns):
            cursor = table.transaction_version(f"journal/{writer}")
            assert count == distinct == most + 1 == cursor + 1, (writer, count, distinct, most, cursor)
        versions.add(table.version())
        looks += 1
    print(looks, len(versions))
""")


@pytest.mark.slow
@pytest.mark.behaviour("lake.readers-see-whole-snapshots")
def test_readers_see_whole_snapshots_while_the_lake_is_filled_and_compacted(tmp_path: Path) -> None:
    for writer in ("gateway", "watch"):
        journal = Journal.open(tmp_path, writer)
        for number in range(1500):
            last = journal.append(new_event(T + number * DAY // 500, "gateway.request.decided", target="x" * 50))
        journal.wait(last)
        journal.close()
    with LakeReader(tmp_path, LakeSettings(flush_rows=20, compact_commits=7, grace_hours=1)) as lake:
        lake.step()
        command = [sys.executable, "-c", _READER, str(tmp_path / "lake" / "events")]
        readers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        for reader in readers:
            assert reader.stdin is not None
            reader.stdin.write("go\n")
            reader.stdin.flush()
        while lake.step():
            pass
        said = [reader.communicate(timeout=120) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0, 0], said
    seen = [tuple(map(int, out.split())) for out, _ in said]
    assert all(looks >= 40 for looks, _ in seen)
    assert max(versions for _, versions in seen) > 1, "nobody saw the lake grow"
