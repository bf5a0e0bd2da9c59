from __future__ import annotations

import json

import pytest

from watchkeeper.inspection.rules import Rule
from watchkeeper.inspection.scanner import Scanner
from watchkeeper.inspection.suspicion import Suspicion

HINTS = Suspicion().rules
each_hint = pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.id)


def hits(hint: Rule, example: str) -> bool:
    json.loads(example)
    alone = Rule(**{name: getattr(hint, name) for name in hint.__struct_fields__} | {"label": "suspicion"})
    return Scanner([("suspicion", alone)]).look(hint.surfaces[0], example.encode()).is_suspicious


@each_hint
def test_a_hint_hits_its_examples_and_spares_the_clean_ones(hint: Rule) -> None:
    assert hint.label in {"suspicion", "encoded"}
    assert all(hits(hint, example) for example in hint.tests.match)
    assert not any(hits(hint, example) for example in hint.tests.clean)
