"""What each rule looks for and when it errs, in words: for help texts."""

from __future__ import annotations

import msgspec

from watchkeeper.core.plugins import load
from watchkeeper.inspection.rulebook import RuleInspector


class About(msgspec.Struct, frozen=True):
    """A rule in words."""

    short: str = "Something that an inspector noticed."
    help: str = ""


_ADVICE = (
    " Read the passage that is shown. If the definition is as it should be, suppress the finding with a reason "
    "(`watchkeeper scan --suppress`); if not, do not use the server."
)
_JUDGE = {
    "poisoning": "The definition gives a model orders behind the user's back.",
    "shadowing": "The definition changes how a model uses the tools of other servers.",
    "preference": "The definition pushes itself before other tools, whatever the task is.",
    "collection": "The definition collects more of the conversation or the user's data than its task needs.",
    "delegation": "The definition hands the decision over to what the server says later.",
    "impersonation": "The definition passes itself off as a tool of somebody else.",
    "dangerous_capability": "The tool's purpose itself is an attack.",
}
_OTHERS = {
    "names.same": "Another server has a tool of this name; a model, or a person, may take one for the other.",
    "names.skeleton": "The name looks like that of another server's tool: other signs or separators, the same picture.",
    "names.slip": "The name is one slip of the pen away from that of another server's tool.",
    "names.twice": "One listing shows two definitions under one name: who reads the first and who the last differ.",
    "definition.unreadable": "The definition is not an object, so nobody knows what a client makes of it.",
}


def about_rules() -> dict[str, About]:
    """Rule → what is to be said of it. Raises `Misconfigured`."""
    found = {
        f"judge.{kind}": About(short, short + " Found by the local model." + _ADVICE) for kind, short in _JUDGE.items()
    }
    found |= {rule: About(short, short + _ADVICE) for rule, short in _OTHERS.items()}
    for make in load("inspectors").values():
        inspector = make()
        if isinstance(inspector, RuleInspector):
            for rule in inspector.rules:
                errs = f" It errs at: {rule.false_positives}" if rule.false_positives else ""
                found[rule.id] = About(rule.description, rule.description + errs + _ADVICE)
    return found
