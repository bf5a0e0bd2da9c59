"""Holding what a session, a task or a principal does, without ending it; and keeping newcomers out of a server. No I/O.

A held session does nothing more: what is refused is every message that would have its server act, or bring the agent
something new. It is not ended either: it can be pinged, it can be told that a request is cancelled, and what it and its
tasks have come to stays readable. In the modern era, which has no sessions, a principal is held, at one server or all.
Calls that are under way end as they began; whoever must not get their answers ends the session.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, Self

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.containment import AGENT, Order, OrderKind, OrdersInForce
from watchkeeper.protocol.message import Message

EVERY_SERVER = "*"
What = Literal["session", "task", "principal"]
_READING = frozenset(
    {"ping", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list"}
    | {"tasks/get", "tasks/list", "notifications/cancelled", "notifications/initialized"}
)
"""What a held session may still say: it has nothing done, and shows what there is."""
_REFERENCE = re.compile(r"[0-9a-f]{20}")
_TASK = re.compile(r"[0-9a-f]{64}")


class Reference(str):
    """A session named by its digest, where its id is not known."""

    __slots__ = ()


class Subject(msgspec.Struct, frozen=True):
    """What is held, or ended."""

    what: What
    name: str
    """Of a session or task its digest, as events have it; of a principal its name, without `agent:`."""
    server: str = EVERY_SERVER

    @property
    def text(self) -> str:
        """As an order's target."""
        name = AGENT + self.name if self.what == "principal" else self.name
        return f"{self.server}/{self.what}:{name}"

    @classmethod
    def of(cls, text: str) -> Self:
        """The same from a target. Raises `Invalid`."""
        server, _, rest = text.partition("/")
        what, colon, name = rest.partition(":")
        if not (server and colon and name) or what not in ("session", "task", "principal"):
            raise Invalid(
                f"{text!r} names no session, task or principal",
                hint="SERVER/session:DIGEST, SERVER/task:DIGEST or SERVER/principal:agent:NAME; `*` is every server",
            )
        if what != "principal" and server == EVERY_SERVER:
            raise Invalid(f"a {what} is one server's", hint=f"write SERVER/{what}:{name}")
        name = name.removeprefix(AGENT) if what == "principal" else name
        if not name:
            raise Invalid(f"{text!r} names nobody", hint="write SERVER/principal:agent:NAME")
        return cls(what, name, server)  # type: ignore[arg-type]  # it is one of them, as was just seen


def session_digest(session: str) -> str:
    """Keeps a session's events together; who reads it cannot act in the session."""
    if isinstance(session, Reference):
        return str(session)
    return hashlib.sha256(b"session\0" + session.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def task_digest(server: str, task: str) -> str:
    """A task's id opens it; what is kept does not."""
    return hashlib.sha256(f"{server}\0{task}".encode("utf-8", "surrogatepass")).hexdigest()


def subject_of(server: str = "", *, session: str = "", task: str = "", principal: str = "") -> Subject:
    """A subject from what somebody knows of it: an id, its digest, or a name. Raises `Invalid`."""
    named = [what for what, name in (("session", session), ("task", task), ("principal", principal)) if name]
    if len(named) != 1:
        raise Invalid("name one of session, task and principal", hint="a session and a task need their server, too")
    if principal:
        return Subject("principal", principal.removeprefix(AGENT), server or EVERY_SERVER)
    if not server:
        raise Invalid(f"a {named[0]} is one server's", hint="name the server")
    if session:
        return Subject("session", session if _REFERENCE.fullmatch(session) else session_digest(session), server)
    return Subject("task", task if _TASK.fullmatch(task) else task_digest(server, task), server)


def is_reading(message: Message) -> bool:
    """Whether a held session may say this."""
    return message.method in _READING


def held_by(orders: OrdersInForce, principal: str, server: str, session: str, message: Message) -> tuple[Order, ...]:
    """The orders that hold this message of this session, or that keep a newcomer out. Memory only."""
    found: tuple[Order, ...] = ()
    if not session and message.kind == "request":
        found += orders.find(OrderKind.DRAIN_TRANSPORT, server)
    if is_reading(message):
        return found
    return found + tuple(
        order
        for subject in _subjects(principal, server, session, message)
        for order in orders.find(OrderKind.QUARANTINE_SESSION, subject.text)
    )


def kept_by(orders: OrdersInForce, principal: str, server: str, session: str) -> tuple[Order, ...]:
    """The orders under which a session may not be ended by its client: its state is kept."""
    nothing = Message(b"", "notification")
    return tuple(
        order
        for subject in _subjects(principal, server, session, nothing)
        for order in orders.find(OrderKind.QUARANTINE_SESSION, subject.text)
    )


def _subjects(principal: str, server: str, session: str, message: Message) -> list[Subject]:
    name = principal.removeprefix(AGENT)
    subjects = [Subject("principal", name), Subject("principal", name, server)]
    if session:
        subjects.append(Subject("session", session_digest(session), server))
    if message.method.startswith("tasks/") and message.name:
        subjects.append(Subject("task", task_digest(server, message.name), server))
    return subjects
