"""Cedar decides: facts in, an effect and the rules that spoke out. Any doubt is a deny."""

from watchkeeper.policy.cases import Case, read_cases, run_case
from watchkeeper.policy.engine import FAILED, PolicyEngine
from watchkeeper.policy.model import Effect, Question, Verdict
from watchkeeper.policy.sources import Policy, Problem, check

__all__ = [
    "FAILED",
    "Case",
    "Effect",
    "Policy",
    "PolicyEngine",
    "Problem",
    "Question",
    "Verdict",
    "check",
    "read_cases",
    "run_case",
]
