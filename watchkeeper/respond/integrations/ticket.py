"""Tickets by REST, in the words of the tracker that the settings give.

Trackers have no keys for requests: our key is a field of the ticket, which is searched before one is made and read back
after. A comment carries the errand's id, and is looked up by it in the ticket's comments where they can be read.
Every address is put together from the settings' and the tracker's ids, encoded; none that it answers is followed.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.ids import derived_id
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Rejected, Repeats, Verb
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Answer, Wire
from watchkeeper.respond.integrations.wording import severity_of, subject, text

_LONGEST_ID = 128


class Ticket:
    """In one tracker."""

    verbs = frozenset({Verb.CREATE, Verb.UPDATE, Verb.COMMENT, Verb.CLOSE})
    repeats = Repeats.FOUND

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        self._authorization = ground.read_secret(f"{where}.authorization", settings.authorization)
        self._wire = Wire(where, settings, ground, [self._authorization])
        self._map = settings.ticket
        self._url = self._wire.check("url", settings.url).rstrip("/")
        for field in ("search", "create", "read", "comment"):
            path = getattr(self._map, field)
            if path and path[0] not in "/?":
                raise Misconfigured(f"{where}.ticket.{field}: a path begins with / or ?", hint="see the defaults")
            self._wire.check(f"ticket.{field}", self._path(path, "1", "1"))
        if "{key}" not in self._map.search or "{id}" not in self._map.read or "{id}" not in self._map.comment:
            raise Misconfigured(
                f"{where}.ticket: search needs {{key}}, read and comment need {{id}}", hint="see the settings' defaults"
            )

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        found = self._find(errand)
        if errand.verb is Verb.CREATE:
            return found if found is not None else self._create(errand)
        if found is None:
            raise Rejected(f"it has no ticket for {errand.number}", hint="open_ticket comes first")
        if errand.verb is Verb.COMMENT:
            return self._comment(errand, found)
        return self._change(errand, found)

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        if errand.verb is Verb.COMMENT:
            is_there = self._is_said(errand, receipt)
            return receipt if is_there is None else _looked(receipt, is_there, "it has no such comment")
        try:
            ticket = self._ask("GET", self._path(self._map.read, receipt.reference, "")).json
        except Rejected as error:
            return _looked(receipt, False, f"it has no ticket {receipt.reference}: {error.reason}")
        if at(ticket, self._map.key) != external_key(errand):
            return _looked(receipt, False, f"the ticket {receipt.reference} is not ours")
        wanted = self._wanted(errand)
        missing = [name for name, value in wanted.items() if at(ticket, name) != value]
        return _looked(receipt, not missing, f"{', '.join(missing)} is not what was sent")

    def _find(self, errand: Errand) -> Receipt | None:
        """A ticket with our key; that a search finds more, or others, is no reason to believe them."""
        answer = self._ask("GET", self._path(self._map.search, "", external_key(errand)))
        items = at(answer.json, self._map.items) if self._map.items else answer.json
        if not isinstance(items, list):
            raise NotTaken(f"its answer to a search has no list at {self._map.items!a}: {answer.said}")
        for item in items:
            if at(item, self._map.key) == external_key(errand):
                return Receipt(said="it has a ticket already", reference=self._id(item, answer))
        return None

    def _create(self, errand: Errand) -> Receipt:
        body: dict[str, Any] = {}
        for path, value in self._wanted(errand).items():
            put(body, path, value)
        answer = self._ask("POST", self._path(self._map.create, "", ""), body)
        return Receipt(said=answer.said, reference=self._id(answer.json, answer))

    def _change(self, errand: Errand, found: Receipt) -> Receipt:
        body: dict[str, Any] = {}
        for path, value in self._wanted(errand).items():
            if path != self._map.key:
                put(body, path, value)
        answer = self._ask(self._map.change, self._path(self._map.read, found.reference, ""), body)
        return Receipt(said=answer.said, reference=found.reference)

    def _comment(self, errand: Errand, found: Receipt) -> Receipt:
        if self._is_said(errand, found):
            return msgspec.structs.replace(found, said="it has the comment already", verified=True)
        body: dict[str, Any] = {}
        put(body, self._map.comment_text, f"{text(errand)}\n\n{_mark(errand)}")
        answer = self._ask("POST", self._path(self._map.comment, found.reference, ""), body)
        return Receipt(said=answer.said, reference=found.reference)

    def _is_said(self, errand: Errand, receipt: Receipt) -> bool | None:
        """Whether the comment is there; None where comments cannot be read."""
        try:
            answer = self._ask("GET", self._path(self._map.comment, receipt.reference, ""))
        except Rejected:
            return None
        return _mark(errand) in answer.text

    def _wanted(self, errand: Errand) -> dict[str, str]:
        """Dotted name → value that the ticket has afterwards."""
        if errand.verb is Verb.CLOSE:
            return {self._map.state: self._map.closed}
        found = {self._map.title: subject(errand), self._map.text: text(errand)}
        if self._map.severity:
            found[self._map.severity] = severity_of(errand)
        if errand.verb is Verb.CREATE:
            found |= {self._map.key: external_key(errand)} | self._map.fixed
        return found

    def _id(self, ticket: Any, answer: Answer) -> str:
        found = at(ticket, self._map.id)
        name = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
        if not name or len(name) > _LONGEST_ID or not name.isprintable():
            raise NotTaken(f"its answer has no ticket's id at {self._map.id!a}: {answer.said}", was_answered=False)
        return name

    def _path(self, template: str, name: str, key: str) -> str:
        filled = template.replace("{id}", quote(name, safe="")).replace("{key}", quote(key, safe=""))
        return self._url + filled

    def _ask(self, verb: str, url: str, body: Any = None) -> Answer:
        headers = {"Authorization": self._authorization.reveal()} if self._authorization else {}
        return self._wire.send(verb, url, body, headers)


def external_key(errand: Errand) -> str:
    """The ticket's name with us: one for an incident."""
    return f"watchkeeper-{derived_id('ticket', errand.thread or errand.key)}"


def at(value: Any, dotted: str) -> Any:
    """What stands there, or None."""
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def put(body: dict[str, Any], dotted: str, value: Any) -> None:
    """Put it there."""
    *folders, last = dotted.split(".")
    for part in folders:
        body = body.setdefault(part, {})
    body[last] = value


def _mark(errand: Errand) -> str:
    return f"[watchkeeper {derived_id('errand', errand.integration, errand.key)}]"


def _looked(receipt: Receipt, is_there: bool, why: str) -> Receipt:
    said = receipt.said if is_there else f"{receipt.said}; {why}"
    return msgspec.structs.replace(receipt, said=said, verified=is_there)
