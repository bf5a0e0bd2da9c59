"""What `watchkeeper scan` works with."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.inspection import Inspection
from watchkeeper.inspection.assessment import LEAVING, Assessor
from watchkeeper.inspection.judge import Judge


def assessor(data_dir: Path | None = None) -> Assessor:
    """Every inspector and the judge, as the gateway has them with the pack `egress`; patterns come from a data folder's
    cache where there is one. Raises `Misconfigured`."""
    cache = data_dir / "cache" if data_dir is not None and (data_dir / "cache").is_dir() else None
    return Assessor(Inspection.from_plugins(cache, LEAVING), Judge())
