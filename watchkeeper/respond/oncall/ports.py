"""What on-call needs from others, as Protocols that `app` connects."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Message(msgspec.Struct, frozen=True):
    """What a person is told by a channel."""

    id: str
    """The same id twice is the same message."""
    person: str
    severity: int
    title: str
    numbers: tuple[str, ...]
    """The incidents that it is about."""
    incident: str
    """The incident's id, where it is about one."""
    level: int
    """Which level of the escalation calls; 0 for a handover."""
    made_at: int
    text: str = ""
    is_test: bool = False
    """Nothing happened: somebody looks whether it arrives."""


class Answer(msgspec.Struct, frozen=True):
    """What became of everything that a message told of."""

    thread: str
    """The id of that message."""
    state: str
    """`acknowledged` or `closed`."""
    by: str
    """Who has it; empty for what ended before anybody did."""
    title: str
    severity: int
    numbers: tuple[str, ...]
    incident: str
    """The incident's id, where it is one."""
    at: int


class Pager(Protocol):
    """Channels by name."""

    def send(self, channel: str, message: Message) -> None:
        """Deliver it; returns once it was taken. Raises `WatchkeeperError` when it was not."""
        ...

    def answer(self, channel: str, answer: Answer) -> bool:
        """Say it where the message went; whether there is a way to. Raises `WatchkeeperError` if it was not taken."""
        ...
