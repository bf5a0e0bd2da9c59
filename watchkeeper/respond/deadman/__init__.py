"""The dead-man's switch: whoever should be heard and is silent is told to somebody outside.

Its two halves are processes of their own: one beside the watched ones, one on another host. Nothing of it goes through
the watch. `watching` says when silence is an alarm and when it is over, `outbox` keeps what must be said until it is
taken, `listening` is the other host's half.
"""

from watchkeeper.respond.deadman.settings import DeadmanSettings

__all__ = ["DeadmanSettings"]
