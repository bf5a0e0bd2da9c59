"""The duties together, as the guard asks for them: of a request, of an answer, of a server's own words, of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from watchkeeper.gateway.duties import asking, resources, tasks
from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.duties.tasks import Tasks
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.protocol import parameters
from watchkeeper.protocol.message import Message

ANNOTATION = "protocol.header-annotation"

_REQUESTS = tasks.METHODS | resources.METHODS
_ANSWERS = frozenset({resources.READ, tasks.LISTING})
_UNUSABLE = Breach(ANNOTATION, "This tool is not offered: what its definition says about headers breaks the protocol.")


class _Definition(msgspec.Struct, rename="camel"):
    input_schema: msgspec.Raw = msgspec.Raw()


_definition = msgspec.json.Decoder(_Definition).decode


class Duties:
    """Every route's. Memory only."""

    def __init__(self) -> None:
        self.tasks = Tasks()

    def tool_of(self, server: str, request: Message) -> str:
        """The tool that a request uses, by its name or by the task that it made; empty when it uses none."""
        if request.method == "tools/call":
            return request.name
        return self.tasks.tool_of(server, request) if request.method in tasks.METHODS else ""

    def in_request(self, server: str, principal: str, request: Message, schema: bytes | None) -> Breach | None:
        """What a client's message must not do. `schema` is that of the tool it calls."""
        if schema is not None:
            return _UNUSABLE if request.version and parameters.flaw_in(schema) else None
        if request.method not in _REQUESTS:
            return None
        if request.method in tasks.METHODS:
            return self.tasks.breach_in_request(server, principal, request)
        return resources.breach_in_request(request)

    def is_looked_at(self, request: Message, answer: Message) -> bool:
        """Whether `in_answer` has anything to say."""
        return answer.is_open or (request.method in _ANSWERS and answer.kind == "response")

    def in_answer(self, server: str, principal: str, request: Message, answer: Message) -> Breach | bytes | None:
        """What an answer must not do, or the answer without what is not this principal's."""
        if answer.is_open:
            breach = asking.breach_in(request, answer) or self.tasks.learn(server, principal, request, answer)
            if breach is not None:
                return breach
        if request.method == resources.READ and not answer.is_open:
            return resources.breach_in_answer(answer)
        return self.tasks.without_foreign(server, principal, answer) if request.method == tasks.LISTING else None

    def in_list(self, definitions: Sequence[Definition]) -> Mapping[str, Finding]:
        """The tools, by name, that a modern client must not see, each with what is wrong."""
        flawed: dict[str, Finding] = {}
        for definition in definitions:
            if definition.kind != "tool" or parameters.MARK not in definition.canonical:
                continue
            if why := parameters.flaw_in(bytes(_definition(definition.canonical).input_schema)):
                flawed[definition.name] = Finding("protocol", ANNOTATION, "invalid_annotation", 2, excerpt=why)
        return flawed
