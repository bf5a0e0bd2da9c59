"""Cedar decides: facts in, an effect and the rules that spoke out. Any doubt is a deny."""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.policy.asking import FAILED
    from watchkeeper.policy.cases import Case, question_of, read_cases, run_case, schema_of, tell
    from watchkeeper.policy.engine import PolicyEngine
    from watchkeeper.policy.model import Effect, Obligation, Question, Verdict
    from watchkeeper.policy.sources import Policy, Problem, check
    from watchkeeper.policy.windows import Windows
else:
    __getattr__ = door(
        __name__,
        {
            "asking": ("FAILED",),
            "cases": ("Case", "question_of", "read_cases", "run_case", "schema_of", "tell"),
            "engine": ("PolicyEngine",),
            "model": ("Effect", "Obligation", "Question", "Verdict"),
            "sources": ("Policy", "Problem", "check"),
            "windows": ("Windows",),
        },
    )

__all__ = [
    "FAILED",
    "Case",
    "Effect",
    "Obligation",
    "Policy",
    "PolicyEngine",
    "Problem",
    "Question",
    "Verdict",
    "Windows",
    "check",
    "question_of",
    "read_cases",
    "run_case",
    "schema_of",
    "tell",
]
