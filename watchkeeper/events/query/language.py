"""Reading a query: words, `field:value`, comparisons, `-` and NOT, OR, brackets, quotes. Pure.

    server:github tool:create_* outcome:deny,ask severity:>=medium -kind:gateway.session "free text" after:24h

Words side by side must all hold. An error says where it is (`BadQuery.at`), so that a face can point at the place.
The times `after:` and `before:` bound the whole search and stand outside of brackets.
"""

from __future__ import annotations

import re

import msgspec

from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.events.query.fields import SEVERITIES, TIMES, Field, field_of, nearest
from watchkeeper.events.query.model import All, AnyOf, Compare, Contains, Expr, Has, Is, Not, Pattern

LONGEST = 4096
"""Characters of a query."""
_MOST_TERMS = 100
_DEEPEST = 20
_MOST_STARS = 16
_NUMBER = re.compile(r"(>=|<=|>|<|=)?(-?[0-9]{1,18})")
_DURATION = re.compile(r"(>=|<=|>|<|=)?([0-9]{1,12})(us|µs|ms|s|m|h)?")
_SEVERITY = re.compile(r"(>=|<=|>|<|=)?([a-z]+|[1-5])")
_DURATIONS = {"": 1, "us": 1, "µs": 1, "ms": 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*(?=:)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BARE = re.compile(r'[^\s()",]+')
_FREE = re.compile(r'[^\s()"]+')


class BadQuery(Invalid):
    """The query cannot be read; `at` and `length` say where."""

    def __init__(self, reason: str, text: str, at: int, length: int = 1, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.text = text
        self.at = at
        self.length = max(1, length)


class Read(msgspec.Struct, frozen=True):
    """What a query says."""

    where: Expr | None = None
    since: int | None = None
    """From `after:`; inclusive."""
    until: int | None = None
    """From `before:`; exclusive."""


def read(text: str, now: int) -> Read:
    """The tree of a query; `now` is what ages (`after:15m`) count from. Raises `BadQuery`."""
    if len(text) > LONGEST:
        raise BadQuery(
            f"the query has {len(text):,} characters; {LONGEST:,} are read", text[:LONGEST], LONGEST, hint="shorten it"
        )
    if (lone := _SURROGATE.search(text)) is not None:
        raise BadQuery("this is no character", text, lone.start(), hint="type the query anew")
    return _Reader(text, now).whole()


def parse_time(text: str, now: int) -> int:
    """`15m`, `24h`, `7d`, `2w` ago, `now`, or an ISO 8601 time. Raises `Invalid`."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    if ago:
        return max(0, now - int(ago[1]) * _AGES[ago[2]] * SECOND)
    if text.strip() == "now":
        return now
    try:
        return from_iso(text.strip())
    except Invalid as error:
        raise Invalid(error.reason[:200], hint="write 15m, 24h, 7d, or 2026-11-22T16:54:53Z") from error


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str, now: int) -> None:
        self._text = text
        self._now = now
        self._at = 0
        self._depth = 0
        self._terms = 0
        self._since: int | None = None
        self._until: int | None = None

    def whole(self) -> Read:
        where = self._either()
        if self._at < len(self._text):
            raise self._bad("this bracket closes nothing", self._at, hint='put it in quotes to look for it: ")"')
        if self._since is not None and self._until is not None and self._since >= self._until:
            at = max(self._text.find("before:"), 0)
            raise self._bad("the range ends before it begins", at, 7, hint="exchange after: and before:")
        return Read(where, self._since, self._until)

    def _either(self) -> Expr | None:
        begun = self._at
        parts = [self._every()]
        while self._word("OR"):
            if parts[-1] is None:
                raise self._bad("OR has nothing on its left", begun)
            parts.append(self._every())
            if parts[-1] is None:
                raise self._bad("OR has nothing on its right", self._at)
        kept = tuple(part for part in parts if part is not None)
        return AnyOf(kept) if len(kept) > 1 else kept[0] if kept else None

    def _every(self) -> Expr | None:
        parts: list[Expr] = []
        while True:
            self._blank()
            if self._at >= len(self._text) or self._text[self._at] == ")" or self._sees("OR"):
                break
            if self._word("AND"):
                continue
            part = self._one()
            if part is not None:
                parts.append(part)
        return All(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None

    def _one(self) -> Expr | None:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise self._bad(f"the query asks for more than {_MOST_TERMS} things", self._at, hint="shorten it")
        begun = self._at
        if self._text[self._at] == "-" and self._at + 1 < len(self._text) and not self._text[self._at + 1].isspace():
            self._at += 1
            return self._not(begun)
        if self._word("NOT"):
            self._blank()
            return self._not(begun)
        if self._text[self._at] == "(":
            return self._bracket()
        return self._term()

    def _not(self, begun: int) -> Expr:
        self._deeper()
        if self._at >= len(self._text) or self._text[self._at] == ")":
            raise self._bad("NOT has nothing to its right", begun, 3)
        part = self._one()
        self._depth -= 1
        assert part is not None  # a time is refused inside of anything
        return Not(part)

    def _bracket(self) -> Expr:
        begun = self._at
        self._deeper()
        self._at += 1
        part = self._either()
        if self._at >= len(self._text):
            raise self._bad("this bracket is not closed", begun, hint="add a )")
        self._at += 1
        self._depth -= 1
        if part is None:
            raise self._bad("there is nothing in these brackets", begun, self._at - begun)
        return part

    def _term(self) -> Expr | None:
        begun = self._at
        name = _FIELD.match(self._text, self._at)
        if name is None:
            return Contains(self._free())
        self._at = name.end() + 1
        if name[0] in TIMES:
            self._time(name[0], begun)
            return None
        field = field_of(name[0])
        if field is None:
            meant = nearest(name[0])
            hint = f"did you mean {meant}:?" if meant else 'to look for text with a colon, put it in "quotes"'
            raise self._bad(f"there is no field {name[0]}", begun, len(name[0]), hint=hint)
        return self._of_field(field, begun)

    def _of_field(self, field: Field, begun: int) -> Expr:
        at = self._at
        values = self._values(begun)
        if values == (Pattern("*", is_wild=True),):
            return Has(field.name)
        if field.type in ("text", "list", "member"):
            return Is(field.name, values)
        found = [self._compared(field, value.text, at) for value in values]
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def _compared(self, field: Field, text: str, at: int) -> Compare:
        if field.type == "severity" and (found := _SEVERITY.fullmatch(text.lower())):
            word = found[2]
            level = int(word) if word.isdigit() else SEVERITIES.index(word) + 1 if word in SEVERITIES else 0
            if level:
                return Compare(field.name, found[1] or "=", level)
        if field.type == "duration" and (found := _DURATION.fullmatch(text)):
            return Compare(field.name, found[1] or "=", int(found[2]) * _DURATIONS[found[3] or ""])
        if field.type == "number" and (found := _NUMBER.fullmatch(text)):
            return Compare(field.name, found[1] or "=", int(found[2]))
        hints = {
            "severity": f"write one of {', '.join(SEVERITIES)}, or >=medium",
            "duration": "write 250us, 30ms, 2s, or >100ms",
        }
        hint = hints.get(field.type, "write a number, or >=400")
        raise self._bad(f"{field.name} is compared with something else than {text[:40]!r}", at, len(text), hint=hint)

    def _values(self, begun: int) -> tuple[Pattern, ...]:
        values = [self._value(begun)]
        while self._at < len(self._text) and self._text[self._at] == ",":
            self._at += 1
            values.append(self._value(begun))
        return tuple(values)

    def _value(self, begun: int) -> Pattern:
        if self._at < len(self._text) and self._text[self._at] == '"':
            return Pattern(self._quoted())
        found = _BARE.match(self._text, self._at)
        if found is None:
            what = self._text[begun : self._at]
            raise self._bad(f"{what} needs a value", begun, len(what), hint=f'write {what}VALUE, or {what}"" for none')
        if found[0].count("*") > _MOST_STARS:
            raise self._bad(f"a value has at most {_MOST_STARS} times *", self._at, len(found[0]))
        self._at = found.end()
        return Pattern(found[0], is_wild="*" in found[0])

    def _time(self, name: str, begun: int) -> None:
        text = self._value(begun).text
        try:
            moment = parse_time(text, self._now)
        except Invalid as error:
            raise self._bad(error.reason, begun, self._at - begun, hint=error.hint) from error
        if self._depth:
            raise self._bad(
                f"{name}: bounds the whole search", begun, self._at - begun, hint="write it outside of brackets and NOT"
            )
        if name == "after":
            self._since = moment if self._since is None else max(moment, self._since)
        else:
            self._until = moment if self._until is None else min(moment, self._until)

    def _free(self) -> str:
        if self._text[self._at] == '"':
            begun = self._at
            text = self._quoted()
            if not text:
                raise self._bad("there is nothing between these quotes", begun, 2)
            return text
        found = _FREE.match(self._text, self._at)
        assert found is not None  # a bracket, a quote and a blank were looked at before
        self._at = found.end()
        return found[0]

    def _quoted(self) -> str:
        begun, at, out = self._at, self._at + 1, []
        while at < len(self._text) and self._text[at] != '"':
            at += self._text[at] == "\\" and self._text[at + 1 : at + 2] in ('"', "\\")
            out.append(self._text[at])
            at += 1
        if at >= len(self._text):
            raise self._bad("this quote is not closed", begun, hint='add a "')
        self._at = at + 1
        return "".join(out)

    def _blank(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _sees(self, word: str) -> bool:
        end = self._at + len(word)
        follows = self._text[end : end + 1]
        return self._text.startswith(word, self._at) and (not follows or follows.isspace() or follows in "()")

    def _word(self, word: str) -> bool:
        self._blank()
        if not self._sees(word):
            return False
        self._at += len(word)
        return True

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._bad(f"brackets stand more than {_DEEPEST} deep", self._at, hint="write it flatter")

    def _bad(self, reason: str, at: int, length: int = 1, *, hint: str = "") -> BadQuery:
        return BadQuery(reason, self._text, at, length, hint=hint)
