"""Webhooks: other systems are told what waits for a person, and send back what people decided there.

Both ways are signed by a shared secret (Standard Webhooks). Out: a durable outbox, at least once. In: each message
counts once, as one voice, in the role that the settings give; whom it names is kept as a claim.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.respond.webhooks.hearing import Hearing
    from watchkeeper.respond.webhooks.model import Hook
    from watchkeeper.respond.webhooks.outbox import Outbox
else:
    __getattr__ = door(
        __name__,
        {
            "hearing": ("Hearing",),
            "model": ("Hook",),
            "outbox": ("Outbox",),
        },
    )

__all__ = ["Hearing", "Hook", "Outbox"]
