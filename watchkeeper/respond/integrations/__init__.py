"""Integrations: other systems that are told, paged, asked for tickets, and asked to take things back.

Each is a plug-in by the entry points `watchkeeper.integrations` (`interface` says what it owes). What one is asked for
is an errand (`respond.errands`); the `outbox` sees that it is carried once, and says on the incident what came of it.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.respond.integrations.interface import Ground, Integration
    from watchkeeper.respond.integrations.outbox import Outbox
    from watchkeeper.respond.integrations.settings import IntegrationSettings
else:
    __getattr__ = door(
        __name__,
        {
            "interface": ("Ground", "Integration"),
            "outbox": ("Outbox",),
            "settings": ("IntegrationSettings",),
        },
    )

__all__ = ["Ground", "Integration", "IntegrationSettings", "Outbox"]
