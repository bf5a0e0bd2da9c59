"""The extended condition of a temporal correlation, `a and (b or not c)`, as data. Names may be ids, unlike in pySigma.

Small enough to be read at one glance: `not` binds closest, then `and`, then `or`; brackets to a depth of 30.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import Every, Expression, Matched, Never, Some

_LONGEST = 5_000
_DEEPEST = 30
_WORDS = frozenset({"and", "or", "not", "(", ")"})


def read_expression(text: str, resolve: Callable[[str], str]) -> Expression:
    """The expression, its names made ids by `resolve`. Raises `Misconfigured`."""
    if len(text) > _LONGEST:
        raise Misconfigured(f"the condition has more than {_LONGEST} characters", hint="refer to fewer rules")
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    reader = _Reader(words, resolve)
    expression = reader.either(0)
    reader.end()
    return expression


def rules_in(expression: Expression) -> Iterator[str]:
    """The ids it names, in order; those that must stay away too."""
    if isinstance(expression, Matched):
        yield expression.rule
    elif isinstance(expression, Never):
        yield from rules_in(expression.arg)
    else:
        for arg in expression.args:
            yield from rules_in(arg)


def has_never(expression: Expression) -> bool:
    """Whether something in it must stay away."""
    if isinstance(expression, Every | Some):
        return any(map(has_never, expression.args))
    return isinstance(expression, Never)


def holds_of_nothing(expression: Expression) -> bool:
    """Whether it is true where nothing has matched: it would be true at all times."""
    if isinstance(expression, Matched):
        return False
    if isinstance(expression, Never):
        return not holds_of_nothing(expression.arg)
    return (all if isinstance(expression, Every) else any)(map(holds_of_nothing, expression.args))


class _Reader:
    def __init__(self, words: list[str], resolve: Callable[[str], str]) -> None:
        self._words = words
        self._at = 0
        self._resolve = resolve

    def either(self, depth: int) -> Expression:
        args = [self._every(depth)]
        while self._took("or"):
            args.append(self._every(depth))
        return args[0] if len(args) == 1 else Some(tuple(args))

    def _every(self, depth: int) -> Expression:
        args = [self._one(depth)]
        while self._took("and"):
            args.append(self._one(depth))
        return args[0] if len(args) == 1 else Every(tuple(args))

    def _one(self, depth: int) -> Expression:
        if depth == _DEEPEST:
            raise Misconfigured(f"the condition is nested deeper than {_DEEPEST}", hint="write it flatter")
        if self._took("not"):
            return Never(self._one(depth + 1))
        if self._took("("):
            inner = self.either(depth + 1)
            if not self._took(")"):
                raise Misconfigured("a bracket of the condition is not closed")
            return inner
        word = self._next()
        if word is None or word.casefold() in _WORDS:
            raise Misconfigured(f"the condition has {word or 'its end'} where the name of a rule should be")
        self._at += 1
        return Matched(self._resolve(word))

    def end(self) -> None:
        """Raises `Misconfigured` when something is left."""
        if (word := self._next()) is not None:
            raise Misconfigured(
                f"the condition has {word[:40]!r} where it should end", hint="put `and` or `or` between"
            )

    def _next(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _took(self, wanted: str) -> bool:
        word = self._next()
        if word is None or word.casefold() != wanted:
            return False
        self._at += 1
        return True
