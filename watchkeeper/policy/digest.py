"""By what a set of policies is told from every other: in decisions, in approvals, in what gateways say is in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from watchkeeper.policy.sources import Policy


def version_of(policies: Iterable[Policy]) -> str:
    """The version of a set of policies: the same texts make the same one, in whatever order and wherever they lie."""
    trees = sorted(json.dumps([policy.id, policy.tree], sort_keys=True) for policy in policies)
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()
