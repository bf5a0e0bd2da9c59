"""Ways by which data leaves in arguments: encoded into addresses, hosts and pictures, or into a box open to anybody.

They are noticed and journalled; the starter policies do not act on them. The rules are
`content/inspectors/channels.yaml`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class Channels(RuleInspector):
    """Label `exfiltration`."""

    name: ClassVar[str] = "channels"
