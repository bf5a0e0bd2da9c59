"""Who provides what policies read of labels, flow and counts, and how another set of policies takes its place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from watchkeeper.app.flowing import flow_for, following, prepared
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.flow.settings import FlowSettings
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.policy import PolicyEngine

POLICY = (
    '@id("p") @reason("r.") forbid (principal, action == Action::"call_tool", resource) '
    'when { context.labels.contains("executes") && context.flow.contains("untrusted_read") };'
)
TOOL = b'{"tools":[{"name":"go","description":"Runs a shell command.","inputSchema":{"properties":{"command":{}}}}]}'


def with_flow(folder: Path, **settings: object) -> Loaded:
    return Loaded(Settings(flow=msgspec.convert(settings, FlowSettings)), folder)


@pytest.mark.behaviour("flow.reload")
def test_policies_that_come_later_are_provided_for_and_what_was_known_stays(tmp_path: Path) -> None:
    loaded, starter = with_flow(tmp_path), PolicyEngine.load()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.cedar").write_text(POLICY)
    strict = PolicyEngine.load([content_folder("policies"), tmp_path / "policies"])
    with opened(tmp_path, "gateway") as platform:
        platform.pins.observe("box", definitions_in("tools/list", TOOL), {})
        flow = flow_for(loaded, starter, platform)
        assert flow.if_read is None
        assert platform.pins.labels("box", "tool", "go") == ()
        assert following(flow, loaded, prepared(loaded, strict, platform), platform) is flow
        assert flow.if_read is flow
        assert platform.pins.labels("box", "tool", "go") == ("executes",)
        following(flow, loaded, prepared(loaded, starter, platform), platform)
        assert flow.if_read is None


@pytest.mark.behaviour("flow.operator-labels")
def test_labels_of_the_settings_are_checked_before_anything_changes(tmp_path: Path) -> None:
    loaded = with_flow(tmp_path, labels={"box/*": ["Not A Label"]})
    with opened(tmp_path, "gateway") as platform, pytest.raises(Misconfigured, match="is no label"):
        prepared(loaded, PolicyEngine.load(), platform)
