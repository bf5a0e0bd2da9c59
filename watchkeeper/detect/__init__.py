"""Rules over the journal's tail: facts in, alerts out. Judges; never acts."""

from watchkeeper.detect.check import Outcome, test_rules
from watchkeeper.detect.detector import Detector, Progress
from watchkeeper.detect.model import Rule
from watchkeeper.detect.rules import load_rule, load_rules, parse_rule
from watchkeeper.detect.settings import DetectSettings

__all__ = [
    "DetectSettings",
    "Detector",
    "Outcome",
    "Progress",
    "Rule",
    "load_rule",
    "load_rules",
    "parse_rule",
    "test_rules",
]
