"""Tokens of a STIX pattern as a tree. Pure; depth and size are bounded by the lexer and `_DEEPEST`."""

from __future__ import annotations

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.patterns.lexing import Token, tokens

_DEEPEST = 16
_OPERATORS = frozenset({"=", "==", "!=", "<>", "<", ">", "<=", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})


class Compare(msgspec.Struct, frozen=True):
    """One comparison."""

    path: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False


class All(msgspec.Struct, frozen=True):
    """Every one of them."""

    args: tuple[Node, ...]


class Some(msgspec.Struct, frozen=True):
    """At least one of them."""

    args: tuple[Node, ...]


Node = Compare | All | Some


class NotHere(Invalid):
    """The pattern is well formed, and speaks of what one event cannot show."""

    code = "pattern_not_here"


def parse(pattern: str) -> Node:
    """The tree of the pattern; several observations joined by OR are one. Raises `Invalid`, `NotHere`."""
    reader = _Reader(tokens(pattern))
    node = reader.observations(0)
    reader.end()
    return node


class _Reader:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            word = self._peek().text.upper()
            if word in ("FOLLOWEDBY", "WITHIN", "REPEATS", "START"):
                raise NotHere(f"the pattern needs {word}: several events; write a correlation rule")
            raise Invalid("the pattern goes on after its end")

    def observations(self, depth: int) -> Node:
        nodes = [self._observation(depth)]
        while self._is_word("OR"):
            self._at += 1
            nodes.append(self._observation(depth))
        if self._is_word("AND"):
            raise NotHere("the pattern needs two observations (AND between brackets); write a correlation rule")
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def _observation(self, depth: int) -> Node:
        _check(depth)
        if self._peek().sort == "(":
            self._take("(")
            node = self.observations(depth + 1)
            self._take(")")
            return node
        self._take("[")
        node = self._either(depth + 1)
        self._take("]")
        return node

    def _either(self, depth: int) -> Node:
        nodes = [self._both(depth)]
        while self._is_word("OR"):
            self._at += 1
            nodes.append(self._both(depth))
        return nodes[0] if len(nodes) == 1 else Some(tuple(nodes))

    def _both(self, depth: int) -> Node:
        nodes = [self._one(depth)]
        while self._is_word("AND"):
            self._at += 1
            nodes.append(self._one(depth))
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _one(self, depth: int) -> Node:
        _check(depth)
        if self._peek().sort == "(":
            self._take("(")
            node = self._either(depth + 1)
            self._take(")")
            return node
        if self._is_word("EXISTS"):
            raise NotHere("the pattern asks whether something EXISTS, not for a value")
        path = self._take("word").text
        negated = self._is_word("NOT")
        self._at += negated
        return Compare(path, *self._said(), negated=negated)

    def _said(self) -> tuple[str, tuple[str, ...]]:
        token = self._peek()
        self._at += 1
        operator = token.text.upper() if token.sort == "word" else token.sort
        if operator not in _OPERATORS:
            raise Invalid("the pattern compares with what is no operator")
        return operator, self._set() if operator == "IN" else (self._value(),)

    def _set(self) -> tuple[str, ...]:
        self._take("(")
        values = [self._value()]
        while self._peek().sort == ",":
            self._at += 1
            values.append(self._value())
        self._take(")")
        return tuple(values)

    def _value(self) -> str:
        token = self._peek()
        if token.sort not in ("text", "word"):
            raise Invalid("the pattern misses a value")
        self._at += 1
        return token.text

    def _is_word(self, word: str) -> bool:
        return self._at < len(self._tokens) and self._peek() == Token("word", word)

    def _peek(self) -> Token:
        if self._at >= len(self._tokens):
            raise Invalid("the pattern ends too early")
        return self._tokens[self._at]

    def _take(self, sort: str) -> Token:
        token = self._peek()
        if token.sort != sort:
            raise Invalid(f"the pattern has something else where {sort} belongs")
        self._at += 1
        return token


def _check(depth: int) -> None:
    if depth > _DEEPEST:
        raise Invalid("the pattern is nested too deeply")
