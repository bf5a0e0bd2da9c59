"""Rules over the journal's tail: facts in, alerts out. Judges; never acts.

Rooms: `rules` reads Sigma, `detector` follows the journal, `check` runs the tests inside the rules. This door stays
light, so that reading the settings does not load the rule engine.
"""

from watchkeeper.detect.model import Rule
from watchkeeper.detect.settings import DetectSettings

__all__ = ["DetectSettings", "Rule"]
