"""What a model is told of a call that waits for a person, or that a person denied. Pure.

It says what is waiting, by which name, what to do and what not to do; nothing of what was in the message.
"""

from __future__ import annotations

from watchkeeper.core.clock import to_iso
from watchkeeper.gateway.approvals.model import Approval, State

_SAME = "call it again with exactly the same arguments: any change is a new request"


def told(approval: Approval, why: str) -> str:
    """`why` are the words of the policy that asks."""
    name = approval.id
    match approval.state:
        case State.PENDING:
            return (
                f"{why} A person was asked and has not decided yet; this was not carried out. The approval {name} is "
                f"pending until {_time(approval.expires_at)}. Tell the user so. Do not try to do it in another way. "
                f"Once it is approved, {_SAME}."
            )
        case State.DENIED:
            said = f" They said: {approval.because}." if approval.because else ""
            return f"A person denied this (approval {name}).{said} Do not try again, and not in another way."
        case State.CONSUMED:
            return (
                f"{why} The approval {name} was used by another call of exactly this kind; it is good for one. "
                f"To ask for another one, {_SAME}."
            )
        case State.EXPIRED:
            return f"{why} Nobody decided about the approval {name} in time. To ask again, {_SAME}."
        case State.VOIDED:
            return f"{why} The approval {name} is void: {approval.because}. To ask again, {_SAME}."
        case State.GRANTED:
            return f"A person approved this (approval {name})."


def _time(microseconds: int) -> str:
    return to_iso(microseconds)[:19] + "Z"
