"""The console: server-rendered pages on loopback that show what the platform knows, and the commands to act on it.

It decides nothing. It receives its services (`ports`) from `app`; operators enter by a one-time link (`operators`).
"""

from watchkeeper.web.application import bind, build, serve, serve_on
from watchkeeper.web.operators import Operators
from watchkeeper.web.ports import Services
from watchkeeper.web.settings import ConsoleSettings

__all__ = ["ConsoleSettings", "Operators", "Services", "bind", "build", "serve", "serve_on"]
