"""The console: server-rendered pages on loopback that show what the platform knows, and the commands to act on it.

The one thing it does is to take a person's decision about a call that waits for it. It receives its services (`ports`)
from `app`; operators enter by a one-time link (`operators`).
`application` builds and serves it; this door stays light, so that reading the settings loads no web framework.
"""

from watchkeeper.web.ports import Services
from watchkeeper.web.settings import ConsoleSettings

__all__ = ["ConsoleSettings", "Services"]
