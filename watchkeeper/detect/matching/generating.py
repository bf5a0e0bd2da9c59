"""A condition as generated code over a `View`: what one rule asks of one record, without a call for each question.

The code is built as a syntax tree of names that we choose and of constants; nothing that a rule says is ever source
text. Comparisons of one field that are joined by *or* become one question of a set or a tuple; what is dear is asked
last. What has no plain form (keywords, references, parts of times) is asked by the plain reading of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.model import And, Comparison, Condition, Not, Operator, Or
from watchkeeper.detect.conditions.values import is_number, text_test, truth
from watchkeeper.detect.matching.remembering import remembered
from watchkeeper.detect.matching.views import Names, View

Judge = Callable[[View], bool]


N = TypeVar("N", bound=ast.AST)


def _placed(kind: type[N]) -> type[N]:
    """Python asks every node for its place in the source; there is none, and telling each takes half of the time."""
    place = {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
    return type(kind.__name__, (kind,), place)


_Lambda, _Argument = _placed(ast.Lambda), _placed(ast.arg)
_BoolOp, _UnaryOp, _Compare = _placed(ast.BoolOp), _placed(ast.UnaryOp), _placed(ast.Compare)
_Call, _Attribute, _Name, _Constant = (
    _placed(ast.Call),
    _placed(ast.Attribute),
    _placed(ast.Name),
    _placed(ast.Constant),
)


def generate(condition: Condition, names: Names) -> Judge:
    """The condition as a function. It raises `Several` when a field of the record has more than one value."""
    try:
        return _Generator(names).function(condition)
    except (RecursionError, MemoryError, SyntaxError, ValueError):  # too deep for Python's compiler
        plain = compile_condition(condition)
        return lambda view: plain(view.fields)


class _Generator:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._helpers: dict[str, Any] = {}

    def function(self, condition: Condition) -> Judge:
        arguments = ast.arguments([], [_Argument("v")], None, [], [], None, [])
        tree = ast.Expression(_Lambda(arguments, self._expression(condition)))
        code = compile(tree, "<rule>", "eval")
        judge: Judge = eval(code, {"__builtins__": {}, **self._helpers})  # noqa: S307 — our own syntax tree, see above
        return judge

    def _expression(self, condition: Condition) -> ast.expr:
        if isinstance(condition, Not):
            return _UnaryOp(ast.Not(), self._expression(condition.arg))
        if isinstance(condition, And):
            return _joined(ast.And(), map(self._expression, sorted(condition.args, key=_effort)))
        if isinstance(condition, Or):
            return _joined(ast.Or(), self._alternatives(condition.args))
        return self._one(condition.field, [condition])

    def _alternatives(self, args: Sequence[Condition]) -> Iterable[ast.expr]:
        """Comparisons that one question can ask stand together, the cheap ones first."""
        groups: dict[tuple[str, str], list[Comparison]] = {}
        others: list[Condition] = []
        for arg in args:
            if isinstance(arg, Comparison) and _form(arg) is not None:
                groups.setdefault((arg.field, str(_form(arg))), []).append(arg)
            else:
                others.append(arg)
        for _, group in sorted(groups.items(), key=lambda item: _effort(item[1][0])):
            yield self._one(group[0].field, group)
        yield from map(self._expression, sorted(others, key=_effort))

    def _one(self, field: str, group: list[Comparison]) -> ast.expr:
        """A question that comparisons of one field and one form stand for."""
        form = _form(group[0])
        if form is None:
            plain = compile_condition(Or(tuple(group)))
            return self._call(lambda view: plain(view.fields), _Name("v", ast.Load()))
        number = self._names.number(field)
        if form in ("present", "absent"):
            return _compare(_read("f", number), ast.NotEq() if form == "present" else ast.Eq(), "")
        if form == "number":
            spoken = {said.value for said in group} | {str(said.value) for said in group}
            return _compare(_read("n", number), ast.In(), frozenset(spoken))
        letter, _, question = form.partition(" ")
        if question == "test":
            tests = remembered([text_test(said) for said in group])
            there = _compare(_read(letter, number), ast.NotEq(), "")
            return _joined(ast.And(), [there, self._call(tests, _read(letter, number))])
        texts = [truth(said.value) if isinstance(said.value, bool) else str(said.value) for said in group]
        return _text_question(question, _read(letter, number), texts)

    def _call(self, helper: Callable[[Any], bool], argument: ast.expr) -> ast.expr:
        name = f"h{len(self._helpers)}"
        self._helpers[name] = helper
        return _Call(_Name(name, ast.Load()), [argument], [])


_QUESTIONS = {
    Operator.EQUALS: "equals",
    Operator.CONTAINS: "contains",
    Operator.STARTS_WITH: "startswith",
    Operator.ENDS_WITH: "endswith",
    Operator.LIKE: "test",
}
_EFFORT = {"equals": 1, "startswith": 2, "endswith": 2, "contains": 3, "test": 20}


def _form(said: Comparison) -> str | None:
    """What can be asked in one question: `f equals`: folded text, in a set. `None` when the plain reading asks."""
    if not said.field or said.part:
        return None
    if said.operator in (Operator.EXISTS, Operator.ABSENT):
        return "present" if said.operator is Operator.EXISTS else "absent"
    if said.operator in (Operator.REGEX, Operator.CIDR):
        return "t test"
    question = _QUESTIONS.get(said.operator)
    if question is None:
        return None
    if is_number(said.value):
        return "number" if question == "equals" else None
    return f"{'t' if said.cased else 'f'} {question}" if said.value != "" else None


def _effort(condition: Condition) -> int:
    """How dear a condition is, roughly: to order what may be asked in any order."""
    if isinstance(condition, And | Or):
        return sum(map(_effort, condition.args)) + 1
    if isinstance(condition, Not):
        return _effort(condition.arg)
    form = _form(condition)
    return 100 if form is None else _EFFORT.get(form.partition(" ")[2], 1)


def _text_question(question: str, text: ast.expr, texts: list[str]) -> ast.expr:
    if question == "equals":
        return _compare(text, ast.In(), frozenset(texts))
    if question == "contains":
        return _joined(ast.Or(), (_Compare(_Constant(part), [ast.In()], [text]) for part in sorted(texts, key=len)))
    return _Call(_Attribute(text, question, ast.Load()), [_constant(tuple(texts))], [])


def _read(letter: str, number: int) -> ast.expr:
    return _Attribute(_Name("v", ast.Load()), f"{letter}{number}", ast.Load())


def _compare(left: ast.expr, operator: ast.cmpop, right: object) -> ast.expr:
    return _Compare(left, [operator], [_constant(right)])


def _constant(value: object) -> ast.expr:
    return _Constant(value)  # type: ignore[arg-type]  # tuples and frozensets are constants too


def _joined(operator: ast.boolop, parts: Iterable[ast.expr]) -> ast.expr:
    values = list(parts)
    if not values:
        return _Constant(isinstance(operator, ast.And))
    return values[0] if len(values) == 1 else _BoolOp(operator, values)
