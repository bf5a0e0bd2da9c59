"""What `watchkeeper wrap` was asked for, checked: handed from its light half to its heavy one."""

from __future__ import annotations

import msgspec

from watchkeeper.app.settings import Loaded
from watchkeeper.gateway.settings import ServerSettings


class Plan(msgspec.Struct, frozen=True):
    """One run."""

    loaded: Loaded
    name: str
    server: ServerSettings
    principal: str
