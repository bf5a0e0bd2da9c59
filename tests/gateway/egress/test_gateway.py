"""Our own egress cases through the real gateway, as `bench/egress.py` plays them: on the wire, with proofs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.egress.cases import records, write

BENCH = Path(__file__).resolve().parents[3] / "bench" / "egress.py"


def played(*arguments: str) -> list[dict[str, Any]]:
    run = subprocess.run(
        [sys.executable, str(BENCH), "--json", *arguments], capture_output=True, check=True, timeout=300
    )
    found: list[dict[str, Any]] = json.loads(run.stdout)["results"]
    return found


@pytest.mark.slow
@pytest.mark.behaviour("egress.stopped-with-proof")
def test_what_must_not_leave_is_stopped_and_what_looks_alike_passes_each_with_a_proof(tmp_path: Path) -> None:
    counts = Counter(record["label"] for record in records())
    rows = {row["metric"]: row for row in played("--cases", str(write(tmp_path / "own.jsonl")))}
    blocked, false, proofs = rows["egress_blocked"], rows["egress_false"], rows["proofs_verified"]
    assert (blocked["hits"], blocked["n"]) == (counts["malicious"], counts["malicious"])
    assert (false["hits"], false["n"]) == (0, counts["benign"])
    assert (proofs["hits"], proofs["n"]) == (counts.total(), counts.total())


@pytest.mark.slow
def test_without_the_packs_most_of_it_leaves(tmp_path: Path) -> None:
    """What stops it is the packs: the recorder does get what nothing stops."""
    rows = {row["metric"]: row for row in played("--packs", "", "--cases", str(write(tmp_path / "own.jsonl")))}
    assert rows["egress_blocked"]["value"] < 0.6
    assert rows["egress_false"]["hits"] == 0


def test_without_corpora_nothing_is_claimed(tmp_path: Path) -> None:
    assert played("--corpora", str(tmp_path)) == []
