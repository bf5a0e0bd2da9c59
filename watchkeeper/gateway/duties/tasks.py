"""Whose a task is, and which tool made it.

A tool may answer with a task and give its real result later, to whoever names the task. So the id belongs to the
principal whose call it answered, and what is ruled about the tool is ruled about its task. A task that no gateway of
ours saw being made has no owner here; about that one its server decides. Bounded: the task unused for longest is
forgotten first. Other processes learn of a task by `gateway.tasks`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

import msgspec

from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.holds import task_digest
from watchkeeper.inspection import spans
from watchkeeper.protocol.message import Message

RULE = "protocol.task-owner"
MOST = 100_000
METHODS = frozenset({"tasks/get", "tasks/update", "tasks/cancel", "tasks/result"})
"""Requests that name a task."""
LISTING = "tasks/list"
NEWS = frozenset({"notifications/tasks", "notifications/tasks/status"})
"""Notifications that name one."""

_FOREIGN = Breach(RULE, "There is no such task of this client.")


class Task(msgspec.Struct, frozen=True):
    """Where a task comes from."""

    principal: str
    tool: str


class _Named(msgspec.Struct, rename="camel"):
    task_id: Any = None


class _Made(msgspec.Struct, rename="camel"):
    result_type: Any = None
    task_id: Any = None
    task: Any = None


_named = msgspec.json.Decoder(_Named).decode
_made = msgspec.json.Decoder(_Made).decode


class Tasks:
    """Every route's. Read and written by the event loop and by the thread that follows the control state; every single
    step is atomic, and none depends on another.
    """

    def __init__(self, limit: int = MOST) -> None:
        self._limit = limit
        self._known: OrderedDict[str, Task] = OrderedDict()
        self._fresh: deque[tuple[str, Task]] = deque(maxlen=limit)
        """Made in this process and not yet told to the others."""
        self._ids: dict[str, tuple[str, str]] = {}
        """Server and id of those made in this process: in memory only, to cancel them by."""

    def of(self, server: str, task_id: str) -> Task | None:
        """The task, if a gateway of ours saw it being made."""
        key = task_digest(server, task_id)
        task = self._known.get(key)
        if task is not None:
            self._known.move_to_end(key)
        return task

    def made_here(self, server: str = "") -> list[tuple[str, str, Task]]:
        """Server, id and owner of each task that this process saw being made, at one server or all."""
        return [
            (at, task_id, task)
            for key, (at, task_id) in list(self._ids.items())
            if (not server or at == server) and (task := self._known.get(key)) is not None
        ]

    def over(self, server: str, task_id: str) -> None:
        """Its server says that it has ended: there is nothing to cancel any more; whose it is stays known."""
        self._ids.pop(task_digest(server, task_id), None)

    def take_fresh(self) -> list[tuple[str, Task]]:
        """Those made here since the last time, by their digests."""
        return [self._fresh.popleft() for _ in range(len(self._fresh))]

    def give_back(self, fresh: Iterable[tuple[str, Task]]) -> None:
        """They could not be told; they are still to be."""
        self._fresh.extend(fresh)

    def hear(self, told: Iterable[tuple[str, Task]]) -> None:
        """Take over what other processes saw being made; who came first is the owner."""
        for key, task in told:
            self._keep(key, task)

    def tool_of(self, server: str, request: Message) -> str:
        """The tool that a request about a task is really about."""
        task = self.of(server, request.name)
        return task.tool if task is not None else ""

    def breach_in_request(self, server: str, principal: str, request: Message) -> Breach | None:
        """Somebody else's task is named."""
        task = self.of(server, request.name)
        return _FOREIGN if task is not None and task.principal != principal else None

    def breach_in_news(self, server: str, principal: str, news: Message) -> Breach | None:
        """A notification about somebody else's task."""
        task = self.in_news(server, news)
        return _FOREIGN if task is not None and task.principal != principal else None

    def in_news(self, server: str, news: Message) -> Task | None:
        """The task that a notification is about, if it was made here."""
        try:
            task_id = _named(news.params).task_id
        except msgspec.MsgspecError:
            return None
        return self.of(server, task_id) if isinstance(task_id, str) else None

    def learn(self, server: str, principal: str, request: Message, answer: Message) -> Breach | None:
        """Keep the task that an answer makes. A breach when its id is somebody else's already."""
        task_id = _made_in(answer)
        if task_id is None or request.method in METHODS:
            return None
        key = task_digest(server, task_id)
        known = self._known.get(key)
        if known is None:
            known = self._keep(key, Task(principal, request.name))
            self._fresh.append((key, known))
        if known.principal == principal:
            self._ids[key] = (server, task_id)
        return _FOREIGN if known.principal != principal else None

    def without_foreign(self, server: str, principal: str, answer: Message) -> bytes | None:
        """An answer to `tasks/list` without other principals' tasks; None when there are none in it."""
        if not answer.result.startswith(b"{"):
            return None
        text = answer.raw.decode()
        result = next(span for span in spans.members(text) if span.name == "result")
        listed = next((span for span in spans.members(text, result.value) if span.name == "tasks"), None)
        if listed is None or text[listed.value] != "[":
            return None
        children = spans.items(text, listed.value)
        foreign = {i for i, child in enumerate(children) if self._is_foreign(server, principal, text, child)}
        return spans.without(text, children, foreign).encode() if foreign else None

    def _keep(self, key: str, task: Task) -> Task:
        known = self._known.setdefault(key, task)
        if len(self._known) > self._limit:
            self._ids.pop(self._known.popitem(last=False)[0], None)
        return known

    def _is_foreign(self, server: str, principal: str, text: str, child: spans.Span) -> bool:
        try:
            task_id = _named(text[child.value : child.end].encode()).task_id
        except msgspec.MsgspecError:
            return False
        task = self.of(server, task_id) if isinstance(task_id, str) else None
        return task is not None and task.principal != principal


def _made_in(answer: Message) -> str | None:
    try:
        made = _made(answer.result)
    except msgspec.MsgspecError:
        return None
    task_id = made.task_id if made.result_type == "task" else None
    if task_id is None and isinstance(made.task, dict):  # MCP 2025-11-25
        task_id = made.task.get("taskId")
    return task_id if isinstance(task_id, str) else None
