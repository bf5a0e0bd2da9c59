"""What is asked of policy and what it answers. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Effect(StrEnum):
    """What shall happen to a message."""

    ALLOW = "allow"
    MODIFY = "modify"
    ASK = "ask"
    DENY = "deny"


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a question, with its grounds."""

    effect: Effect
    rules: tuple[str, ...] = ()
    """Ids of the policies that spoke, sorted."""
    reason: str = ""
    """One or two sentences fit for a model to read; never text of the message, never a secret."""
    enforced: bool = True
    """False when shadow mode let a message pass that this verdict would have stopped."""
    correlation: str = ""
    """Names this verdict in the journal, in the refusal and in a support question."""


class Question(msgspec.Struct, frozen=True):
    """Everything policy may know of one message. Two equal questions get equal answers."""

    principal: str
    """The verified agent, without a prefix."""
    groups: tuple[str, ...] = ()
    action: str = "call_tool"
    """`call_tool`, `read_resource`, `get_prompt`, `list`, `receive` (an answer or message of a server) or `other`."""
    server: str = ""
    target: str = ""
    """Name of the tool or prompt, URI of the resource; empty where there is none."""
    pin: str = "none"
    """`approved`, `trusted_on_first_use`, `held`, `changed`, `unknown`, or `none` where nothing can be pinned."""
    findings: tuple[str, ...] = ()
    """Labels of what the inspectors noticed, sorted."""
    arguments: bytes = b""
    """Raw JSON of `params.arguments`; empty when there are none."""
