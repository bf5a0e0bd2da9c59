"""What a CEL expression may cost, told from its text: the control state waits while it is evaluated, and nothing can
stop it once it runs. Pure.

An expression sees up to 200 alerts (`planning.MAX_ALERTS`). Going through them is cheap, going through them for each of
them still is; a third time, lists of lists, or all facts looked at for each pair of alerts takes minutes (measured).
"""

from __future__ import annotations

import re

MOST_MACROS = 10
MOST_NESTED = 2
_QUESTIONS = frozenset({"exists", "exists_one", "existsOne", "all"})
_TEXT = re.compile(
    r'[rR][bB]?""".*?"""|[rR][bB]?\'\'\'.*?\'\'\'|[bB]?[rR]"[^"\n]*"|[bB]?[rR]\'[^\'\n]*\''
    r'|"""(?:\\.|.)*?"""|\'\'\'(?:\\.|.)*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*',
    re.DOTALL,
)
"""Literals and comments: what they say is no part of the expression."""
_TOKEN = re.compile(r"\.\s*([a-zA-Z]\w*)\s*\(|([(\[{])|([)\]}])|\bincident\b")
_MACROS = _QUESTIONS | {"filter", "map", "transformList", "transformMap", "sortBy"}


def too_costly(text: str) -> str:
    """Why it may not be used; empty when it may."""
    bare = _TEXT.sub('""', text)
    if '"' in bare.replace('""', "") or "'" in bare:
        return "it has a text without an end"
    open_: list[str] = []
    macros = 0
    for token in _TOKEN.finditer(bare):
        inside = [name for name in open_ if name in _MACROS]
        if (name := token[1]) is not None:
            if name in _MACROS:
                macros += 1
                if why := _why(name, inside):
                    return why
            open_.append(name)
        elif token[2]:
            if token[2] != "(" and "map" in inside:
                return "it makes a list or map for each of many"
            open_.append(token[2])
        elif token[3]:
            if open_:
                open_.pop()
        elif len(inside) >= MOST_NESTED or "map" in inside:
            return "it looks at the whole incident again for each of many"
    return f"it goes through lists more than {MOST_MACROS} times" if macros > MOST_MACROS else ""


def _why(name: str, inside: list[str]) -> str:
    if len(inside) >= MOST_NESTED:
        return f"it goes through lists more than {MOST_NESTED} deep"
    if inside and name not in _QUESTIONS:
        return f"it makes a list with {name} for each of many; only exists, exists_one and all may stand inside another"
    return ""
