"""Attacks in arguments: paths that leave their folder, commands, queries, templates, addresses of the own network.

They are noticed and journalled; the starter policies do not act on them, because a developer's tools run shells on
purpose. The rules are `content/inspectors/attacks.yaml`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class Attacks(RuleInspector):
    """Label `attack`."""

    name: ClassVar[str] = "attacks"
