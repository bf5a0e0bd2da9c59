"""Commands for the reader to copy. Their words come from agents and servers, so each is quoted here. Pure."""

from __future__ import annotations

import shlex
from urllib.parse import quote, urlencode

from watchkeeper.core.text import is_unseen


def shell_word(word: str) -> str:
    """`word` as one harmless word for bash or zsh; anything but plain printable ASCII is written as an escape."""
    if all(" " <= char <= "~" for char in word):
        return shlex.quote(word)
    return "$'" + "".join(_escape(char) for char in word) + "'"


def command(verb: str, *words: str, data: str = "", **options: str) -> str:
    """`watchkeeper VERB --OPTION VALUE… WORDS…`; a name that begins with a dash cannot become an option."""
    chosen = {name: value for name, value in {**options, "data": data}.items() if value}
    named = [part for name, value in chosen.items() for part in (f"--{name}", shell_word(value))]
    dashes = ["--"] if any(word.startswith("-") for word in words) else []
    return " ".join(["watchkeeper", verb, *named, *dashes, *(shell_word(word) for word in words)])


def link(*parts: str, **query: object) -> str:
    """An address on this console; each part is encoded whole, so that a name can never leave its place."""
    path = "/" + "/".join(quote(part, safe="", errors="replace") for part in parts)
    kept = {key: value for key, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept, errors='replace')}" if kept else path


def _escape(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if " " <= char <= "~":
        return char
    if char.isalnum() and not is_unseen(char):
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
