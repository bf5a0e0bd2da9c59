"""The estate's own rules, with what placeholders stand for in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import load
from watchkeeper.core.errors import Misconfigured
from watchkeeper.events import Event

RULE = """
title: The boss calls
id: 11111111-1111-4111-8111-111111111111
name: boss
level: low
logsource: {product: mcp, service: watchkeeper, category: gateway}
detection: {s: {kind: gateway.request.decided, actor|expand: 'agent:%bosses%'}, condition: s}
"""


@pytest.mark.behaviour("rules.placeholders")
def test_the_estates_own_rules_have_the_estates_own_values(tmp_path: Path) -> None:
    for name, text in (("rules/boss.yml", RULE), ("lists/people.yml", "bosses: [ann, bo*]\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = f'[detect]\nrules = "{tmp_path}/rules"\n'
    (tmp_path / "without.toml").write_text(settings, encoding="utf-8")
    with pytest.raises(Misconfigured) as told:
        detections_of(load(tmp_path / "without.toml", tmp_path))
    assert "%bosses% has no values" in told.value.reason
    (tmp_path / "with.toml").write_text(f'{settings}placeholders = "{tmp_path}/lists"\n', encoding="utf-8")
    (rule,) = (one for one in detections_of(load(tmp_path / "with.toml", tmp_path)).rules if one.name == "boss")
    event = {"v": 1, "id": "e", "time": 0, "kind": "gateway.request.decided"}
    assert [rule.matches(Event(**event, actor=f"agent:{who}")) for who in ("ann", "bob", "eve")] == [True, True, False]
