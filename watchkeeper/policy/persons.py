"""What an operator may do: roles and scopes against a Cedar policy set with a schema of its own. Any doubt is a no.

Not for agents: their questions go to `engine`, and no entity of the one is known to the other. The policies lie in
`content/policies/operators`, with their tests beside them.
"""

from __future__ import annotations

import json
import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured

FAILED = "operators.error"
"""The rule under which an unknown failure denies."""
_FOLDER = "operators"
_HOUSE = {"type": "House", "id": "watchkeeper"}
_log = logging.getLogger(__name__)


class May(msgspec.Struct, frozen=True):
    """What is asked."""

    operator: str
    role: str
    act: str
    """An action of the schema, such as `decide_approvals`."""
    needs: str = ""
    """The least role that is demanded; for `decide_approvals` alone."""
    scopes: tuple[str, ...] | None = None
    """What the credential is good for; None when it is good for all that the role may do."""


class Permission(msgspec.Struct, frozen=True):
    """The answer, and the policies it stands on."""

    is_given: bool
    rules: tuple[str, ...] = ()
    reason: str = ""


class PersonRules:
    """A set of policies about operators. Reads them when it is first asked; safe for many threads."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def may(self, asked: May) -> Permission:
        """Whether it is permitted. Never raises for a question; an error of Cedar, or of ours, is a no."""
        try:
            return self._ask(asked)
        except Exception:  # noqa: BLE001 — total: an unknown failure means no
            _log.exception("a question about an operator failed")
            return Permission(is_given=False, rules=(FAILED,), reason="The policies about operators failed.")

    def covers(self, operator: str, role: str, needed: str) -> bool:
        """Whether this operator, acting in `role`, may decide what asks for `needed`."""
        return self.may(May(operator, role, "decide_approvals", needed)).is_given

    def check(self) -> None:
        """Raises `Misconfigured` when the policies cannot be used."""
        _ = self._set

    def _ask(self, asked: May) -> Permission:
        handle, reasons = self._set
        answer = cedarpy.is_authorized(_request(asked), handle, _entities(asked))
        if answer.diagnostics.errors or answer.decision is cedarpy.Decision.NoDecision:
            _log.error("policies about operators erred", extra={"errors": list(answer.diagnostics.errors)})
            return Permission(is_given=False, rules=(FAILED,), reason="The policies about operators failed.")
        rules = tuple(sorted(answer.diagnostics.reasons))
        reason = " ".join(reasons[rule] for rule in rules) or f"The role {asked.role or 'none'} may not do this."
        return Permission(answer.decision is cedarpy.Decision.Allow, rules, reason)

    @cached_property
    def _set(self) -> tuple[Any, dict[str, str]]:
        """Cedar's handle, and each policy's reason. Raises `Misconfigured`."""
        folder = self._folder or content_folder("policies") / _FOLDER
        try:
            text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.cedar")))
            schema = cedarpy.Schema.from_str((folder / "operators.cedarschema").read_text(encoding="utf-8"))
            trees = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
        except (OSError, ValueError, RecursionError) as error:
            raise Misconfigured(f"the policies about operators: {error}", hint="reinstall watchkeeper") from error
        notes = [(tree.get("annotations", {}), tree) for tree in trees]
        named = {str(note.get("id")): tree for note, tree in notes if note.get("id") and note.get("reason")}
        if len(named) != len(notes) or not named:
            raise Misconfigured("a policy about operators needs an @id of its own and a @reason")
        whole = json.dumps({"templates": {}, "staticPolicies": named, "templateLinks": []})
        if wrong := cedarpy.validate_policies(cedarpy.policies_from_json_str(whole), schema).errors:
            raise Misconfigured(f"a policy about operators: {wrong[0].error}", hint="reinstall watchkeeper")
        return cedarpy.PolicySet.from_json_str(whole), {str(note["id"]): str(note["reason"]) for note, _ in notes}


def _request(asked: May) -> dict[str, Any]:
    context: dict[str, Any] = {"limited": asked.scopes is not None, "scopes": list(asked.scopes or ())}
    if asked.act == "decide_approvals":
        context["needs"] = asked.needs
    return {
        "principal": {"type": "Operator", "id": asked.operator},
        "action": {"type": "Action", "id": asked.act},
        "resource": _HOUSE,
        "context": json.dumps(context),
    }


def _entities(asked: May) -> cedarpy.Entities:
    role = {"type": "Role", "id": asked.role}
    who = {"uid": {"type": "Operator", "id": asked.operator}, "attrs": {}, "parents": [role]}
    there = [{"uid": uid, "attrs": {}, "parents": []} for uid in (role, _HOUSE)]
    return cedarpy.Entities.from_json_str(json.dumps([who, *there]))
