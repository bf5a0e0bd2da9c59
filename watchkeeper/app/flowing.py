"""What policies read of labels, flow and counts, and who provides it."""

from __future__ import annotations

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.flow.flow import Flow
from watchkeeper.gateway.flow.labels import Labels
from watchkeeper.gateway.flow.reading import Reading, reading_of
from watchkeeper.gateway.flow.settings import check_flow
from watchkeeper.inspection.capabilities import capabilities
from watchkeeper.policy import PolicyEngine


def flow_for(loaded: Loaded, policy: PolicyEngine, platform: Platform) -> Flow:
    """One process's memory of what agents have read. Blocking. Raises `Misconfigured`."""
    return following(None, loaded, prepared(loaded, policy, platform), platform)


def following(flow: Flow | None, loaded: Loaded, reading: Reading, platform: Platform) -> Flow:
    """The same memory, providing what other policies read; a new one where there was none."""
    labels = Labels(platform.pins, loaded.settings.flow.labels)
    if flow is None:
        return Flow(reading, loaded.settings.flow, labels, platform.clock)
    flow.follow(reading, loaded.settings.flow, labels)
    return flow


def prepared(loaded: Loaded, policy: PolicyEngine, platform: Platform) -> Reading:
    """What these policies read; tools are labelled once some of it is read. Blocking. Raises `Misconfigured`."""
    check_flow(loaded.settings.flow)
    reading = reading_of(policy)
    if reading:
        platform.pins.label_tools(capabilities().of_tool)
    return reading
