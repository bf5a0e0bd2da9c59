from __future__ import annotations

import msgspec
import pytest

from tests.gateway.flow.conftest import Agent, Make, answered, request
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.flow.settings import FlowSettings, check_flow
from watchkeeper.gateway.model import Route

SENDS = (
    '@id("no-sending") @reason("No.") forbid (principal, action == Action::"call_tool", resource) '
    'when { context.labels.contains("sends") };'
)


async def listed(agent: Agent, server: str, name: str, description: str, *arguments: str) -> None:
    schema = {"type": "object", "properties": {argument: {"type": "string"} for argument in arguments}}
    tool = {"name": name, "description": description, "inputSchema": schema}
    await agent.guard.on_listing(Route(name=server), agent.name, request("tools/list"), answered({"tools": [tool]}))


@pytest.mark.behaviour("flow.labels")
async def test_a_tool_is_labelled_by_its_pinned_definition(make: Make) -> None:
    agent = Agent(make(SENDS))
    await listed(agent, "web", "look", "Sends a message to anybody.", "text")
    assert agent.calls("web", "look", text="x").told == {"labels": ("sends",)}
    assert agent.calls("web", "look", text="x").verdict.rules == ("no-sending",)


@pytest.mark.behaviour("flow.labels")
def test_a_tool_that_was_never_listed_is_labelled_by_its_name(make: Make) -> None:
    assert Agent(make(SENDS)).calls("mail", "send_email").verdict.rules == ("no-sending",)


@pytest.mark.behaviour("flow.operator-labels")
async def test_the_operator_adds_and_removes_labels_by_pattern_the_later_one_last(make: Make) -> None:
    labels = {"*/send_*": ("-sends",), "mail/*": ("internal",), "mail/send_out": ("sends",), "web/look": ("sends",)}
    agent = Agent(make(SENDS, labels=labels))
    assert agent.calls("chat", "send_note").told == {}
    assert agent.calls("mail", "send_note").told == {"labels": ("internal",)}
    assert agent.calls("mail", "send_out").told == {"labels": ("internal", "sends")}
    await listed(agent, "web", "look", "Does nothing.")
    assert agent.calls("web", "look").verdict.rules == ("no-sending",)


@pytest.mark.behaviour("flow.operator-labels")
@pytest.mark.parametrize("labels", [{"mail/*": ("Sends it",)}, {"mail": ("sends",)}, {"mail/*": ("--x",)}])
def test_labels_that_nobody_could_ask_for_are_refused(labels: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(Misconfigured, match=r"flow\.labels"):
        check_flow(FlowSettings(labels=labels))


def test_settings_are_read_from_plain_data() -> None:
    read = msgspec.convert({"labels": {"a/*": ["-sends"]}, "minutes": 5}, FlowSettings)
    assert (read.labels, read.minutes) == ({"a/*": ("-sends",)}, 5)
    check_flow(read)
