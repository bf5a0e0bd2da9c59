"""Whether the policies, rules and playbooks that the settings name can be read: every engine is loaded for it."""

from __future__ import annotations

from watchkeeper.app.checking import check_quickly
from watchkeeper.app.parts import engine_of
from watchkeeper.app.rulebook import detections_of
from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.respond.service import load_actions, load_shelf


def check_thoroughly(loaded: Loaded) -> dict[str, ServerSettings]:
    """`check_quickly`, and every policy, rule and playbook is read. Raises `Misconfigured`, naming the first flaw."""
    servers = check_quickly(loaded)
    settings = loaded.settings
    engine_of(loaded)
    detections_of(loaded)
    load_shelf(settings.respond, load_actions())
    return servers
