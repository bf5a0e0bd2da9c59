"""Inspectors notice; they never decide. Also redaction, and the fingerprints of definitions.

`Inspection` asks every inspector about a raw JSON text and returns findings that are safe to store.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.inspection.fingerprints import Definition, definitions_in, without_definitions
    from watchkeeper.inspection.inspection import BROKEN, Inspection
    from watchkeeper.inspection.model import HIDDEN_INSTRUCTION, PERSONAL, SECRET, Finding, Inspector, Looked, Surface
    from watchkeeper.inspection.redaction import redact
    from watchkeeper.inspection.rulebook import RuleInspector
else:
    __getattr__ = door(
        __name__,
        {
            "fingerprints": ("Definition", "definitions_in", "without_definitions"),
            "inspection": ("BROKEN", "Inspection"),
            "model": ("HIDDEN_INSTRUCTION", "PERSONAL", "SECRET", "Finding", "Inspector", "Looked", "Surface"),
            "redaction": ("redact",),
            "rulebook": ("RuleInspector",),
        },
    )

__all__ = [
    "BROKEN",
    "HIDDEN_INSTRUCTION",
    "PERSONAL",
    "SECRET",
    "Definition",
    "Finding",
    "Inspection",
    "Inspector",
    "Looked",
    "RuleInspector",
    "Surface",
    "definitions_in",
    "redact",
    "without_definitions",
]
