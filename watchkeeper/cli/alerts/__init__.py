"""`watchkeeper alerts`: the queue, what people make of it, and exceptions."""

from watchkeeper.cli.alerts.queue import alerts

__all__ = ["alerts"]
