"""Edits with a planted widening, and rewrites that change nothing: the first are all found, the second never told.

What is found counts only if it replays: the case that is written holds with the old set and fails with the new one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.policy import PolicyEngine, read_cases, tell
from watchkeeper.policy.analysis.cases import as_yaml, written
from watchkeeper.policy.diff.search import Differences, differences

ALL = '@id("all") @reason("r") permit (principal, action, resource);'
CALL = 'principal, action == Action::"call_tool", resource'
PUSH = 'principal, action == Action::"call_tool", resource == Tool::"git/push"'


def forbid(when: str = "", scope: str = CALL, notes: str = "", unless: str = "") -> str:
    body = (f" when {{ {when} }}" if when else "") + (f" unless {{ {unless} }}" if unless else "")
    return f'@id("p") @reason("r") {notes} forbid ({scope}){body};'


def permit(when: str = "", scope: str = CALL) -> str:
    return f'@id("p") @reason("r") permit ({scope})' + (f" when {{ {when} }};" if when else ";")


SECRET = 'context.findings.contains("secret")'
MAIN = 'context.arguments has branch && context.arguments.branch == "main"'
SUM = "context.arguments has sum && context.arguments.sum >= 1000"
ASK = '@effect("ask")'
GROUP = 'principal in Group::"staff", action == Action::"call_tool", resource'

WIDENED = {
    "a forbid dropped": (forbid(SECRET), ""),
    "a forbid without condition dropped": (forbid(), ""),
    "a condition negated": (forbid(SECRET), forbid(f"!({SECRET})")),
    "a when made an unless": (forbid(SECRET), forbid(unless=SECRET)),
    "a conjunct added to a forbid": (forbid(SECRET), forbid(f'{SECRET} && context.pin != "approved"')),
    "a disjunct removed from a forbid": (forbid(f'{SECRET} || context.pin == "changed"'), forbid(SECRET)),
    "an unless added to a forbid": (forbid(SECRET), forbid(SECRET, unless='principal in Group::"admins"')),
    "an unless removed from a permit": (
        "-" + '@id("p") @reason("r") permit (principal, action, resource) unless { context.pin == "held" };',
        "-" + '@id("p") @reason("r") permit (principal, action, resource);',
    ),
    "a permit added": ("-", "-" + permit()),
    "a permit for one tool added": ("-", "-" + permit(scope=PUSH)),
    "a permit broadened to a server": (
        "-" + permit(scope=PUSH),
        "-" + permit(scope='principal, action == Action::"call_tool", resource in Server::"git"'),
    ),
    "a permit broadened from == to a group": (
        "-" + permit(scope='principal == Agent::"ann", action, resource'),
        "-" + permit(scope='principal in Group::"staff", action, resource'),
    ),
    "a permit broadened to another action": (
        "-" + permit(scope='principal, action == Action::"list", resource'),
        "-" + permit(scope='principal, action in [Action::"list", Action::"other"], resource'),
    ),
    "a permit broadened to an action group": (
        "-" + permit(scope='principal, action == Action::"call_tool", resource'),
        "-" + permit(scope='principal, action in Action::"use", resource'),
    ),
    "a forbid narrowed to one agent": (forbid(scope=GROUP), forbid(scope=f'principal == Agent::"ann", {CALL[11:]}')),
    "a forbid narrowed to one group": (forbid(), forbid(scope=GROUP)),
    "a forbid narrowed from a server to a tool": (
        forbid(scope='principal, action, resource in Server::"git"'),
        forbid(scope='principal, action, resource == Tool::"git/push"'),
    ),
    "a forbid narrowed to an action": (forbid(scope="principal, action, resource"), forbid()),
    "a tool's name misspelt": (forbid(scope=PUSH), forbid(scope=PUSH.replace("push", "puhs"))),
    "a like pattern of a permit broadened": (
        "-" + permit('resource.name like "read_*"'),
        "-" + permit('resource.name like "re*"'),
    ),
    "a like pattern of a forbid narrowed": (
        forbid('resource.name like "delete*"'),
        forbid('resource.name like "delete_*"'),
    ),
    "a like pattern of an argument narrowed": (
        forbid('context.arguments has path && context.arguments.path like "/etc/*"'),
        forbid('context.arguments has path && context.arguments.path like "/etc/*.conf"'),
    ),
    "a like made an equality": (
        forbid('context.arguments has branch && context.arguments.branch like "main*"'),
        forbid(MAIN),
    ),
    "a number off by one": (forbid(SUM), forbid(SUM.replace(">=", ">"))),
    "a threshold raised": (forbid(SUM), forbid(SUM.replace("1000", "1001"))),
    "a decimal threshold raised": (
        forbid('context.arguments has sum && context.arguments.sum.greaterThan(decimal("9.99"))'),
        forbid('context.arguments has sum && context.arguments.sum.greaterThan(decimal("10.0"))'),
    ),
    "a counter's threshold raised": (
        forbid('context.counts.contains("calls_over_50")'),
        forbid('context.counts.contains("calls_over_100")'),
    ),
    "a member removed from a set of labels": (
        forbid('context.labels.containsAny(["sends", "writes", "executes"])'),
        forbid('context.labels.containsAny(["sends", "writes"])'),
    ),
    "any made all": (
        forbid('context.labels.containsAny(["sends", "writes"])'),
        forbid('context.labels.containsAll(["sends", "writes"])'),
    ),
    "a member removed from a set of values": (
        forbid('context.arguments has region && ["us", "cn"].contains(context.arguments.region)'),
        forbid('context.arguments has region && ["us"].contains(context.arguments.region)'),
    ),
    "a member of an array argument forgotten": (
        forbid('context.arguments has to && context.arguments.to.containsAny(["a@x", "b@x"])'),
        forbid('context.arguments has to && context.arguments.to.containsAny(["a@x"])'),
    ),
    "an empty array let through": (
        forbid("context.arguments has to && context.arguments.to.isEmpty()"),
        forbid('context.arguments has to && context.arguments.to.contains("nobody")'),
    ),
    "a call without the optional argument": (
        forbid(unless='context.arguments has branch && context.arguments.branch == "dev"', scope=PUSH),
        forbid('context.arguments has branch && context.arguments.branch != "dev"', scope=PUSH),
    ),
    "a nested argument forgotten": (
        forbid('context.arguments has to && context.arguments.to has host && context.arguments.to.host == "x"'),
        forbid('context.arguments has to && context.arguments.to has host && context.arguments.to.host == "y"'),
    ),
    "a boolean argument turned": (
        forbid("context.arguments has force && context.arguments.force"),
        forbid("context.arguments has force && !context.arguments.force"),
    ),
    "a sum made a difference": (
        forbid("context.arguments has a && context.arguments has b && context.arguments.a + context.arguments.b > 10"),
        forbid("context.arguments has a && context.arguments has b && context.arguments.a - context.arguments.b > 10"),
    ),
    "put into shadow": (forbid(SECRET), forbid(SECRET, notes='@mode("shadow")')),
    "an ask dropped": (forbid(SECRET, notes=ASK), ""),
    "a deny softened to ask": (forbid(SECRET), forbid(SECRET, notes=ASK)),
    "a deny softened to modify": (forbid(SECRET), forbid(SECRET, notes='@effect("modify") @classes("secret")')),
    "an ask softened to modify": (
        forbid(SECRET, notes=ASK),
        forbid(SECRET, notes='@effect("modify") @classes("secret")'),
    ),
    "a modify dropped": (forbid(SECRET, notes='@effect("modify") @classes("secret")'), ""),
    "a quorum lowered": (forbid(notes=f'{ASK} @quorum("2")'), forbid(notes=f'{ASK} @quorum("1")')),
    "a role lowered": (forbid(notes=f'{ASK} @role("admin")'), forbid(notes=f'{ASK} @role("analyst")')),
    "a request that lives longer": (forbid(notes=f'{ASK} @expires("5m")'), forbid(notes=f'{ASK} @expires("1h")')),
    "a class no longer replaced": (
        forbid(notes='@effect("modify") @classes("secret,email")'),
        forbid(notes='@effect("modify") @classes("secret")'),
    ),
    "a pin forgotten": (
        forbid('["held", "changed"].contains(context.pin)'),
        forbid('["held"].contains(context.pin)'),
    ),
    "a window of time widened": (
        forbid(unless='context.times.contains("office")'),
        forbid(unless='context.times.contains("office") || context.times.contains("night")'),
    ),
    "a flow mark forgotten": (
        forbid('context.labels.contains("sends") && !context.flow.isEmpty()'),
        forbid('context.labels.contains("sends") && context.flow.contains("untrusted_read")'),
    ),
    "a value revealed": (
        "",
        '@id("p") @reason("r") permit (principal, action == Action::"reveal", resource in Server::"mail");',
    ),
    "an if turned": (
        forbid('if context.pin == "approved" then context.flow.contains("a") else true'),
        forbid('if context.pin != "approved" then context.flow.contains("a") else true'),
    ),
    "an error that denied repaired": (
        forbid('context.arguments.branch == "main"', scope=PUSH),
        forbid(MAIN, scope=PUSH),
    ),
    "an argument that is always there": (
        forbid('context.arguments.branch == "main"', scope=PUSH),
        forbid('context.arguments.branch == "mian"', scope=PUSH),
    ),
    "what cannot be judged let through": (forbid(f"{MAIN} && false"), forbid("false")),
    "a forbid replaced by a smaller one": (
        forbid(SECRET),
        forbid(SECRET, scope=PUSH).replace('"p"', '"q"'),
    ),
}  # fmt: skip
SAME = {
    "nothing": (forbid(SECRET), forbid(SECRET)),
    "another reason": (forbid(SECRET), forbid(SECRET).replace('"r"', '"s"')),
    "another order": (forbid(SECRET) + ALL.replace('"all"', '"b"'), ALL.replace('"all"', '"b"') + forbid(SECRET)),
    "operands exchanged": (forbid(f'{SECRET} && context.pin == "held"'), forbid(f'context.pin == "held" && {SECRET}')),
    "not not": (forbid(SECRET), forbid(f"!(!({SECRET}))")),
    "De Morgan": (
        forbid(f'!({SECRET} || context.pin == "held")'),
        forbid(f'!({SECRET}) && context.pin != "held"'),
    ),
    "an unless made a when": (forbid(unless=SECRET), forbid(f"!({SECRET})")),
    "a when split in two": (
        forbid(f'{SECRET} && context.pin == "held"'),
        forbid(SECRET).replace(";", ' when { context.pin == "held" };'),
    ),
    "contains made any": (forbid(SECRET), forbid('context.findings.containsAny(["secret"])')),
    "any written out": (
        forbid('context.labels.containsAny(["a", "b"])'),
        forbid('context.labels.contains("a") || context.labels.contains("b")'),
    ),
    "more than one less": (forbid(SUM), forbid(SUM.replace(">= 1000", "> 999"))),
    "a like without stars": (forbid('resource.name == "x"'), forbid('resource.name like "x"')),
    "two stars": (forbid('resource.name like "x*"'), forbid('resource.name like "x**"')),
    "a scope made a condition": (
        forbid(SECRET, scope=PUSH),
        forbid(f'resource == Tool::"git/push" && {SECRET}'),
    ),
    "a server made a condition": (
        forbid(SECRET, scope=f'{CALL[:-8]}resource in Server::"git"'),
        forbid(f'resource.server == "git" && {SECRET}'),
    ),
    "a default branch": (forbid(f"if {SECRET} then true else false"), forbid(SECRET)),
    "a forbid split by id": (
        forbid('context.pin == "held" || context.pin == "changed"'),
        forbid('context.pin == "held"') + forbid('context.pin == "changed"').replace('"p"', '"q"'),
    ),
    "one that another covers": (forbid() + forbid(SECRET).replace('"p"', '"q"'), forbid()),
    "a permit below another": ("", permit(scope=PUSH)),
    "a shadow edited": (forbid(SECRET, notes='@mode("shadow")'), forbid(notes='@mode("shadow")')),
    "a negated argument guard": (
        forbid(f"!(!(context.arguments has branch)) && {MAIN}"),
        forbid(MAIN),
    ),
    "a bound doubled": (forbid(SUM), forbid(f"{SUM} && context.arguments.sum > 10")),
}  # fmt: skip


def engine(folder: Path, text: str) -> PolicyEngine:
    """Beside a permit of everything, unless the text begins with a dash."""
    folder.mkdir()
    (folder / "a.cedar").write_text(text[1:] + SPARE if text.startswith("-") else f"{ALL}\n{text}")
    return PolicyEngine.load(folder)


SPARE = '@id("spare") @reason("r") permit (principal == Agent::"spare", action == Action::"list", resource);'


def compared(tmp_path: Path, old: str, new: str) -> tuple[PolicyEngine, PolicyEngine, Differences]:
    before, after = engine(tmp_path / "old", old), engine(tmp_path / "new", new)
    return before, after, differences(before.policies, after.policies)


@pytest.mark.behaviour("policy.diff-widening")
@pytest.mark.parametrize("edit", WIDENED)
def test_a_planted_widening_is_found_and_its_case_replays(tmp_path: Path, edit: str) -> None:
    old, new, found = compared(tmp_path, *WIDENED[edit])
    assert found.answer == "newly allowed"
    assert {one.policy for one in found.widened} <= {change.policy for change in found.changes}
    assert not found.doubts
    cases = [written(f"case {n}", f.question, f.schema, f.old) for n, f in enumerate(found.widened)]
    (tmp_path / "found.tests.yaml").write_text(as_yaml(cases))
    for finding, (_, case) in zip(found.widened, read_cases([tmp_path]), strict=True):
        assert tell(old, case).difference == ""
        told = tell(new, case).verdict
        assert told == finding.new
        assert (told.effect, told.obligations) != (finding.old.effect, finding.old.obligations)


@pytest.mark.behaviour("policy.diff-equivalent")
@pytest.mark.parametrize("edit", SAME)
def test_a_rewrite_that_changes_nothing_is_not_told(tmp_path: Path, edit: str) -> None:
    *_, found = compared(tmp_path, *SAME[edit])
    assert (found.answer, found.widened, found.narrowed, found.doubts) == ("nothing newly allowed", (), (), ())


def of_text(address: str) -> str:
    return forbid(f'ip("{address}").isInRange(ip("10.0.0.0/8")) && {SECRET}')


@pytest.mark.behaviour("policy.diff-inconclusive")
def test_what_has_no_formula_is_named_and_never_called_unchanged(tmp_path: Path) -> None:
    *_, found = compared(tmp_path, of_text("10.0.0.1"), of_text("11.0.0.1"))
    assert {doubt.policy for doubt in found.doubts} == {"p"}
    assert found.answer != "nothing newly allowed"


@pytest.mark.behaviour("policy.diff-inconclusive")
def test_a_search_without_time_is_inconclusive(tmp_path: Path) -> None:
    old, new = engine(tmp_path / "old", forbid(SECRET)), engine(tmp_path / "new", "")
    found = differences(old.policies, new.policies, seconds=0)
    assert (found.answer, {doubt.policy for doubt in found.doubts}) == ("inconclusive", {"p"})


def test_a_schema_that_was_seen_is_the_one_of_the_case(tmp_path: Path) -> None:
    old, new = engine(tmp_path / "old", forbid(SUM, scope=PUSH)), engine(tmp_path / "new", "")
    seen = b'{"type":"object","properties":{"sum":{"type":"integer","maximum":1000}},"required":["sum"]}'
    found = differences(old.policies, new.policies, {"git/push": seen})
    (calls,) = [f for f in found.widened if f.place == "call_tool git/push"]
    assert (calls.question.arguments, calls.is_guess) == (b'{"sum": 1000}', False)


@pytest.mark.behaviour("policy.diff-widening")
def test_a_stricter_demand_is_told_as_newly_denied_only(tmp_path: Path) -> None:
    *_, found = compared(tmp_path, forbid(notes=f'{ASK} @quorum("1")'), forbid(notes=f'{ASK} @quorum("2")'))
    assert (found.answer, found.doubts) == ("nothing newly allowed", ())
    assert {one.kind for one in found.narrowed} == {"ask → ask"}


def test_each_kind_of_change_is_told_and_not_only_the_first(tmp_path: Path) -> None:
    old = forbid(SECRET) + forbid(notes=ASK, scope=PUSH).replace('"p"', '"q"')
    *_, found = compared(tmp_path, old, forbid(notes=ASK, scope=PUSH).replace('"p"', '"q"'))
    assert {(one.policy, one.kind) for one in found.widened} == {("p", "deny → allow"), ("p", "deny → ask")}


def test_tools_that_were_not_looked_at_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.policy.diff.settings.MOST_TOOLS", 2)
    schema = b'{"type":"object","properties":{"branch":{"type":"string"}}}'
    before, after = forbid(f"{MAIN} || {SECRET}"), forbid(f"{SECRET} || {MAIN}")
    old, new, _ = compared(tmp_path, before, after)
    found = differences(old.policies, new.policies, {f"git/tool_{i}": schema for i in range(5)})
    assert found.answer == "inconclusive"
    assert any("5 tools, of which 2 were looked at" in doubt.reason for doubt in found.doubts)
