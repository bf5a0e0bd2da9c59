"""Text that speaks to the model behind the user's back, in definitions, instructions, results and messages.

A starter set with few false alarms: planted orders, secrecy, disguise, and requests to read credentials or to carry
data away. It does not judge what a tool is able to do, and it does not understand meaning: an order in polite, unusual
words passes. The rules are `content/inspectors/instructions.yaml`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class HiddenInstructions(RuleInspector):
    """Label `hidden_instruction`."""

    name: ClassVar[str] = "hidden_instructions"
