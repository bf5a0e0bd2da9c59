"""What need not leave: shapes of credentials with nothing behind them, keys of wallets, dumps, opaque values.

Strict on purpose, so that it is looked for only where a policy asks. The rules are `content/inspectors/leaving.yaml`,
the second looks `inspection.opaque`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector

SENSITIVE = "sensitive_leaving"


class Leaving(RuleInspector):
    """Label `sensitive_leaving`."""

    name: ClassVar[str] = "leaving"
    on_demand: ClassVar[str] = SENSITIVE
