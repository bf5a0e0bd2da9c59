"""Operators: the persons who run this, the roles they act in, and the tokens they act by.

Other identities than agents: other secrets, kept elsewhere, so that an agent's token never is an operator's. What a
role may do is policy's word (`policy.persons`). Above: the console and the command line ask who acts, by the ports of
this room; an identity provider can later answer in their place.
"""

from typing import TYPE_CHECKING

from watchkeeper.core.doors import door

if TYPE_CHECKING:
    from watchkeeper.operators.model import SCOPES, Acting, Person, Role, Token
    from watchkeeper.operators.roster import Roster
    from watchkeeper.operators.tokens import Tokens
else:
    __getattr__ = door(
        __name__,
        {
            "model": ("SCOPES", "Acting", "Person", "Role", "Token"),
            "roster": ("Roster",),
            "tokens": ("Tokens",),
        },
    )

__all__ = ["SCOPES", "Acting", "Person", "Role", "Roster", "Token", "Tokens"]
