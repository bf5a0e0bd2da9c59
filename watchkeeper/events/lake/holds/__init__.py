"""Legal holds: what must not be deleted, whoever asks. A hold wins over retention and over erasure."""

from watchkeeper.events.lake.holds.model import Hold, Scope, condition, is_held
from watchkeeper.events.lake.holds.register import Holds

__all__ = ["Hold", "Holds", "Scope", "condition", "is_held"]
