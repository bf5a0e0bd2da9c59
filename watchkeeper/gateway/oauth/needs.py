"""Scopes that single tools need, and what a caller is told who lacks one. Memory only.

Asked after the guard has let a call pass: whoever is contained, or stopped by a policy, is not sent to get a scope that
would not help. A caller whose authorization server could give it more is told every scope the call needs, its own and
the route's, so that one more round is enough (step-up authorization); anybody else hears a plain no.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from watchkeeper.gateway.caller import Caller
from watchkeeper.gateway.oauth.resource import Resource
from watchkeeper.policy.model import Effect, Verdict

LACKING = "scope.missing"
"""The rule's id in events."""
_CALL = "tools/call"
_MOST = 1024


class Needs:
    """One route's. `tools` has patterns of tools' names and the scopes that each of them needs."""

    def __init__(self, resource: Resource, tools: Mapping[str, tuple[str, ...]]) -> None:
        self._resource = resource
        self._tools = tools
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, method: str, tool: str) -> tuple[str, ...]:
        """Every scope that a call of that tool needs beside those of the route, sorted."""
        if method != _CALL:
            return ()
        known = self._known.get(tool)
        if known is None:
            found = {scope for pattern, scopes in self._tools.items() if fnmatchcase(tool, pattern) for scope in scopes}
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[tool] = tuple(sorted(found))
        return known

    def verdict(self, caller: Caller, needed: tuple[str, ...], said: Verdict, *, enforced: bool) -> Verdict | None:
        """The denial of a call that `said` would let pass; None when nothing is lacking."""
        if caller.scopes is None or caller.scopes.issuperset(needed):
            return None
        lacking = " ".join(scope for scope in needed if scope not in caller.scopes)
        reason = f"The credential lacks the scope {lacking}."
        return Verdict(Effect.DENY, (*said.rules, LACKING), reason, enforced, said.correlation)

    def challenge(self, caller: Caller, needed: tuple[str, ...], url: str, reason: str) -> bytes | None:
        """What sends the caller's client to get the scopes for the address it reached; None when it could not."""
        if caller.credential != "jwt" or not url:
            return None
        everything = tuple(sorted({*needed, *self._resource.scopes}))
        return self._resource.challenge(url, error="insufficient_scope", reason=reason, scopes=everything)
