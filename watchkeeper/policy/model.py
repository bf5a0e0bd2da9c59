"""What is asked of policy and what it answers. No I/O."""

from __future__ import annotations

from enum import StrEnum

import msgspec

PINS = ("approved", "trusted_on_first_use", "held", "changed", "unknown", "none")
"""How a definition can be pinned; `none` where nothing can be."""


class Effect(StrEnum):
    """What shall happen to a message."""

    ALLOW = "allow"
    MODIFY = "modify"
    ASK = "ask"
    DENY = "deny"


class Obligation(msgspec.Struct, frozen=True):
    """What has to happen before, or to, a message that a soft forbid spoke about."""

    policy: str
    """Id of the policy that demands it."""
    effect: Effect
    """`ask` or `modify`."""
    role: str = ""
    """ask: the least role that may approve."""
    quorum: int = 0
    """ask: how many different people must approve."""
    expires: int = 0
    """ask: seconds until the request is void."""
    transform: str = ""
    """modify: what is done to the message."""
    classes: tuple[str, ...] = ()
    """modify: the classes of text it is done to, sorted."""


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
    obligations: tuple[Obligation, ...] = ()
    """With `ask` and `modify`: what every soft forbid that spoke demands, by policy; all of it has to be met."""
    shadowed: tuple[str, ...] = ()
    """Ids of the policies in shadow mode that would have changed the outcome, sorted."""
    would: Effect | None = None
    """The effect if these were enforced; None when they change nothing."""


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
    """One of `PINS`."""
    findings: tuple[str, ...] = ()
    """Labels of what the inspectors noticed, sorted."""
    arguments: bytes = b""
    """Raw JSON of `params.arguments`; empty when there are none."""
    labels: tuple[str, ...] = ()
    """What the tool and its server can do or are, by detection or by the operator, sorted: `sends`, `reads_private`."""
    flow: tuple[str, ...] = ()
    """Marks on what this principal has read and what these arguments carry, sorted: `untrusted_read`."""
    counts: tuple[str, ...] = ()
    """Thresholds that are exceeded, sorted: `calls_over_50`."""
    times: tuple[str, ...] = ()
    """Named windows of time that are open now, sorted: `office_hours`."""
