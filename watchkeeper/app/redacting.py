"""The values behind placeholders of one process, shared with all that stand on the same data folder."""

from __future__ import annotations

from collections.abc import Callable

from watchkeeper.app.endpoints import shared_key
from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.redaction.redaction import Redaction
from watchkeeper.gateway.redaction.sharing import Sharing
from watchkeeper.gateway.redaction.values import Values
from watchkeeper.gateway.redaction.vault import Vault


def redaction_for(loaded: Loaded, platform: Platform) -> Redaction:
    """What replaces and restores. Each process of the folder has the same key, and so the same placeholders."""
    vault = Vault(shared_key(loaded, "placeholders"), loaded.settings.redaction, is_shared=True)
    return Redaction(vault, Sharing(vault, Values(platform.database, platform.clock)))


def syncing(redaction: Redaction) -> tuple[Callable[[], object], ...]:
    """What to call whenever the control state is looked at."""
    return (redaction.sharing.sync,) if redaction.sharing is not None else ()
