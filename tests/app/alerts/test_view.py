"""What the console is told of alerts and rules: the real rules, a real journal, and who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from watchkeeper.app.alerts.acts import Alerting
from watchkeeper.app.alerts.rulebook import deciding
from watchkeeper.app.alerts.view import AlertsView
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.errors import Denied, NotFound
from watchkeeper.detect.alerts import alert_for
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event
from watchkeeper.operators import Acting
from watchkeeper.web.alerts import Reason

ADA, VIC = Acting("operator:ada", "responder"), Acting("operator:vic", "viewer")


@pytest.fixture(scope="module")
def a_rule() -> Rule:
    (rule,) = (one for one in detections_of(Loaded(Settings(), Path("/"))).rules if one.name == "held_tool_called")
    return rule


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "watch") as platform:
        yield platform


def raised(platform: Platform, rule: Rule) -> Event:
    event = rule.match[0]
    alert = alert_for(rule, event, platform.journal.record(event), platform.clock.now())
    platform.journal.record(alert)
    Alerting(platform, is_alone=True).list({})
    return alert


@pytest.mark.behaviour("web.alert-page")
def test_an_alerts_page_has_the_comparisons_that_held_and_what_was_there(platform: Platform, a_rule: Rule) -> None:
    alert = raised(platform, a_rule)
    view = AlertsView(Loaded(Settings(), platform.data_dir), platform)
    whole = view.show(ADA, alert.id)
    assert Reason("kind", "equals", alert.body["event_kind"], (alert.body["event_kind"],)) in whole.reasons
    assert whole.trigger is not None
    assert (whole.trigger.id, whole.is_other_version, whole.may_except) == (alert.body["event"], False, True)
    assert whole.condition.startswith(("logsource:", "detection:"))
    seen = view.show(VIC, alert.id)
    assert (seen.may_assess, seen.may_except) == (False, False)
    with pytest.raises(Denied):
        view.assess(VIC, alert.id, {"act": "acknowledge"})
    view.assess(ADA, alert.id, {"act": "close", "disposition": "true_positive"})
    rule = view.rule(VIC, a_rule.id)
    assert (rule.line.volume[-1], rule.wrong, rule.line.state, len(rule.recent)) == (1, (), "enabled", 1)
    assert rule.line.precision is not None
    assert rule.line.precision.right.of == 1
    lines = {line.id: line for line in view.rules(VIC)}
    assert lines[a_rule.id].volume[-1] == 1
    assert view.rule(VIC, lines[a_rule.id].name) == rule
    assert {line.kind for line in lines.values()} == {"rule", "correlation", "step"}
    with pytest.raises(NotFound):
        view.rule(VIC, "nothing")
    with pytest.raises(Denied):
        view.rules(Acting("operator:x", "nobody"))


def test_what_decides_is_cut_out_of_a_rules_file() -> None:
    text = (
        "title: a\n# x\ndetection:\n  s: {a: 1}\n  condition: s\nlevel: low\n---\ncorrelation:\n  type: event_count\n"
    )
    assert deciding(text) == "detection:\n  s: {a: 1}\n  condition: s\ncorrelation:\n  type: event_count"
