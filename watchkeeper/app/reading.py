"""Whether the policies, rules and playbooks that the settings name can be read: every engine is loaded for it."""

from __future__ import annotations

from collections.abc import Container, Iterable

from watchkeeper.app.checking import check_quickly
from watchkeeper.app.parts import engine_of
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded
from watchkeeper.app.state import check_state
from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.model import Heading
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.respond.service import load_actions, load_shelf


def check_thoroughly(loaded: Loaded) -> dict[str, ServerSettings]:
    """`check_quickly`, and every policy, rule and playbook is read. Raises `Misconfigured`, naming the first flaw.

    Raises `Unavailable` when the database server that has the control state cannot be reached.
    """
    servers = check_quickly(loaded)
    settings = loaded.settings
    check_state(loaded)
    engine_of(loaded)
    known = {one.playbook.id for one in load_shelf(settings.respond, load_actions()).playbooks}
    detections = detections_of(loaded)
    _check_playbooks([*detections.rules, *(one.heading for one in detections.correlations)], known)
    return servers


def _check_playbooks(rules: Iterable[Heading], known: Container[str]) -> None:
    """A rule that names a playbook that there is not would be followed by nothing. Raises `Misconfigured`."""
    for rule in rules:
        if rule.playbook and rule.playbook not in known:
            raise Misconfigured(
                f"{rule.source}: there is no playbook {rule.playbook}, which the rule {rule.name} names",
                hint="correct the name, or name its folder as respond.playbooks",
            )
