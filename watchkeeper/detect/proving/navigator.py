"""Coverage as a layer of MITRE's Navigator, format 4.5: of ATT&CK, or of ATLAS in its own Navigator. Pure.

A score says what stands behind a technique: 2 executed and detected, 1 a rule with tests, 0 an attack that was missed.
A technique without a score is a gap: in ATT&CK most are, for most of it is not about MCP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchkeeper.detect.proving.model import Covered

DOMAINS = {"attack": "enterprise-attack", "atlas": "atlas-atlas"}
"""What a layer can be of, and what the Navigators call it."""
_COLOURS = {0: "#d9534f", 1: "#9ecae1", 2: "#3182bd"}
_MEANS = {
    0: "an attack was executed and not detected",
    1: "a rule passes its tests",
    2: "executed through the gateway and detected",
}


def layer(of: str, rows: Iterable[Covered], *, version: str = "") -> dict[str, Any]:
    """The layer's JSON; `of` is a key of `DOMAINS`, `version` the catalogue's."""
    found = [_technique(row) for row in rows if row.fixture or row.executed or row.missed]
    return {
        "name": "Watchkeeper: detection of attacks on MCP",
        "versions": {"navigator": "5.2.0", "layer": "4.5"},
        "domain": DOMAINS[of],
        "description": "What rules and executed attacks cover. No score: a gap, or no matter of MCP.",
        "sorting": 3,
        "layout": {"layout": "side", "showID": True, "showName": True, "expandedSubtechniques": "annotated"},
        "hideDisabled": False,
        "techniques": found,
        "gradient": {"colors": [_COLOURS[0], _COLOURS[1], _COLOURS[2]], "minValue": 0, "maxValue": 2},
        "legendItems": [{"label": _MEANS[score], "color": _COLOURS[score]} for score in sorted(_MEANS)],
        "metadata": [{"name": "catalogue", "value": f"{of} {version}".strip()}],
        "selectTechniquesAcrossTactics": True,
        "selectSubtechniquesWithParent": False,
    }


def _technique(row: Covered) -> dict[str, Any]:
    said = [("rules", row.fixture), ("executed", row.executed), ("missed", row.missed), ("unproven", row.unproven)]
    return {
        "techniqueID": row.id,
        "score": 2 if row.executed else 1 if row.fixture else 0,
        "comment": "; ".join(f"{name}: {', '.join(values)}" for name, values in said if values),
        "enabled": True,
        "metadata": [{"name": name, "value": ", ".join(values)} for name, values in said if values],
    }
