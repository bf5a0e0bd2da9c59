"""Holds the engine against the oracle and says how it went, as JSON; exit code 1 for any disagreement."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.policy.oracle.trial import run

parser = argparse.ArgumentParser(prog="python -m tests.policy.oracle", description=__doc__)
parser.add_argument("pairs", type=int)
parser.add_argument("--seed", type=int, default=1)
asked = parser.parse_args()
logging.disable(logging.CRITICAL)
start = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    tally = run(asked.pairs, asked.seed, Path(folder))
told = vars(tally) | {"disagreements": len(tally.disagreements), "seconds": time.perf_counter() - start}
print(json.dumps(told | {"examples": tally.disagreements[:5]}))
sys.exit(1 if tally.disagreements or tally.erred_and_not_denied else 0)
