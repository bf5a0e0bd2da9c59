"""What `watchkeeper scan` works with."""

from __future__ import annotations

from watchkeeper.inspection import Inspection
from watchkeeper.inspection.assessment import Assessor
from watchkeeper.inspection.judge import Judge


def assessor() -> Assessor:
    """Every inspector and the judge, as the gateway has them. Raises `Misconfigured`."""
    return Assessor(Inspection.from_plugins(), Judge())
