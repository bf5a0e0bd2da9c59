"""Approvals: what a policy leaves to a person, decided outside the channel that the agent controls.

Above: the exchange and the wrapper hold a call for which policy says `ask`; operators list, show and decide. Below:
control state and journal. Nothing here judges a call: policy has said that a person must, and says so again before a
call that was approved is let through.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.gateway.approvals.book import Approvals
    from watchkeeper.gateway.approvals.model import Approval, Choice, State, Vote, Wanted
    from watchkeeper.gateway.approvals.settings import ApprovalSettings
else:
    __getattr__ = door(
        __name__,
        {
            "book": ("Approvals",),
            "model": ("Approval", "Choice", "State", "Vote", "Wanted"),
            "settings": ("ApprovalSettings",),
        },
    )

__all__ = ["Approval", "ApprovalSettings", "Approvals", "Choice", "State", "Vote", "Wanted"]
