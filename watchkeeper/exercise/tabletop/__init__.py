"""Tabletop exercises (NIST SP 800-84): people talk through an incident that unfolds by injects; nothing is attacked.

A scenario is a TOML file. What it says is data: it is shown, and nothing of it is run.
"""

from watchkeeper.exercise.tabletop.loading import load_scenarios, named
from watchkeeper.exercise.tabletop.model import Inject, Scenario

__all__ = ["Inject", "Scenario", "load_scenarios", "named"]
