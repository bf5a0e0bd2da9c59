"""CACAO 2.0 as types, as far as we write and read it (OASIS CACAO Security Playbooks 2.0, sections 3 to 10). No I/O.

What a document has besides is left alone, and told (`importing`). Signatures and data markings are not interpreted.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import Any, Literal

import msgspec

MILLISECOND = 1_000
"""Microseconds; CACAO's times are milliseconds."""
NAMESPACE = uuid.UUID("aa7caf3a-d55a-4e9a-b34e-056215fba56a")
"""For the ids of playbooks (section 10.10)."""
IDENTIFIER = re.compile(
    r"([a-z][a-z0-9-]+[a-z0-9])--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-5][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}\Z"
)
TYPES = ("start", "end", "action", "playbook-action", "parallel", "if-condition", "while-condition", "switch-condition")
"""Of steps (section 4)."""


class Command(msgspec.Struct, omit_defaults=True):
    """What an agent does (section 5)."""

    type: str
    command: str = ""
    command_b64: str = ""
    content_b64: str = ""
    description: str = ""
    playbook_activity: str = ""


class Variable(msgspec.Struct, omit_defaults=True):
    """A value that steps share (section 10.18)."""

    type: str
    description: str = ""
    value: Any = msgspec.UNSET
    constant: bool = False
    external: bool = False


class Step(msgspec.Struct, omit_defaults=True):
    """A step of whatever type; which members belong to which is checked by whoever reads it (section 4)."""

    type: str
    name: str = ""
    description: str = ""
    delay: int = 0
    """Milliseconds before it begins."""
    timeout: int = 0
    """Milliseconds after which it has failed."""
    on_completion: str = ""
    on_success: str = ""
    on_failure: str = ""
    commands: list[Command] = []
    agent: str = ""
    targets: list[str] = []
    playbook_id: str = ""
    next_steps: list[str] = []
    condition: str = ""
    on_true: str = ""
    on_false: str = ""
    switch: str = ""
    cases: dict[str, str] = {}
    step_extensions: dict[str, dict[str, Any]] = {}


class Party(msgspec.Struct, omit_defaults=True):
    """An agent or a target (section 6)."""

    type: str
    name: str
    category: list[str] = []


class Extension(msgspec.Struct, omit_defaults=True):
    """What an extension means (section 7)."""

    name: str
    created_by: str
    schema: str
    version: str
    type: Literal["extension-definition"] = "extension-definition"
    description: str = ""

    def written(self) -> dict[str, Any]:
        """With its type, which never goes without saying."""
        return {"type": self.type, **msgspec.to_builtins(self)}


class Document(msgspec.Struct, omit_defaults=True):
    """A playbook (section 3)."""

    type: Literal["playbook"]
    spec_version: Literal["cacao-2.0"]
    id: str
    name: str
    created_by: str
    created: str
    modified: str
    workflow_start: str
    workflow: dict[str, Step]
    description: str = ""
    playbook_types: list[str] = []
    playbook_activities: list[str] = []
    playbook_processing_summary: dict[str, bool] = {}
    revoked: bool = False
    valid_from: str = ""
    valid_until: str = ""
    severity: int = 0
    """0 says nothing; 1 the lowest, 100 the highest."""
    impact: int = 0
    priority: int = 0
    labels: list[str] = []
    playbook_variables: dict[str, Variable] = {}
    workflow_exception: str = ""
    playbook_extensions: dict[str, dict[str, Any]] = {}
    agent_definitions: dict[str, Party] = {}
    target_definitions: dict[str, Party] = {}
    extension_definitions: dict[str, dict[str, Any]] = {}
    signatures: list[dict[str, Any]] = []


def playbook_id(name: str, types: list[str]) -> str:
    """The same for the same name and types, whoever makes it (UUIDv5 over canonical JSON, section 10.10)."""
    said = json.dumps({"name": name, "playbook_types": types}, ensure_ascii=False, separators=(",", ":"))
    return f"playbook--{uuid.uuid5(NAMESPACE, said)}"


def made_id(kind: str, *parts: str) -> str:
    """`kind--UUID`, the same for the same parts. Steps must bear a version 4, so it is one in form."""
    digest = hashlib.sha256("\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass")).digest()
    return f"{kind}--{uuid.UUID(bytes=digest[:16], version=4)}"


OURS = made_id("extension-definition", "watchkeeper", "step")
"""Under this id stands what CACAO has no word for: an action's parameters, evidence, approvals."""
AUTHOR = made_id("identity", "watchkeeper")
