"""A ticket tracker as such systems are: REST, ids of its own, a search by field, comments, and wrong answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.respond.integrations.servers import Reply, Request


class Tracker:
    def __init__(self) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[str]] = {}
        self.created = 0
        self.loses = False
        """Answers 201 and keeps nothing."""
        self.forgets_to_answer = False
        """Keeps it and answers 500."""

    def __call__(self, request: Request) -> Reply:
        if request.headers.get("authorization") != "Bearer t0k3n":
            return 401, {"error": "who are you?"}
        parts = urlsplit(request.path)
        names = [name for name in parts.path.split("/") if name][1:]
        if request.verb == "POST" and not names:
            return self._create(request.json)
        if request.verb == "GET" and not names:
            key = parse_qs(parts.query)["external_key"][0]
            return 200, {"items": [one for one in self.tickets.values() if one["external_key"] == key]}
        if names[0] not in self.tickets:
            return 404, {"error": "no such ticket"}
        if names[1:] == ["comments"]:
            return self._comment(names[0], request)
        if request.verb == "PATCH" and not self.loses:
            self.tickets[names[0]] |= request.json
        return 200, self.tickets[names[0]]

    def _create(self, ticket: dict[str, Any]) -> Reply:
        name = f"OPS-{self.created + 41}"
        if not self.loses:
            self.created += 1
            self.tickets[name] = {"id": name, "status": "open"} | ticket
            self.comments[name] = []
        if self.forgets_to_answer:
            return 500, {"error": "oops"}
        return 201, {"id": name}

    def _comment(self, name: str, request: Request) -> Reply:
        if request.verb == "POST":
            if not self.loses:
                self.comments[name].append(request.json["body"])
            return 201, {"id": 1}
        return 200, [{"body": one} for one in self.comments[name]]
