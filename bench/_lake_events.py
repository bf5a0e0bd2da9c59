"""Events as an estate of MCP servers makes them: about 930 bytes, text that varies, and nothing that compresses away.

Shared by the benchmarks of the lake and its hunts. The same `seed` and number give the same event. What makes it real:
ids and traces are random; actors, servers and tools are skewed (a few do most); arguments are paths, queries and
addresses; results are prose of a vocabulary of some ten thousand words, long ones and short ones; some calls are
denied; one in a thousand carries a needle that hunts look for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from watchkeeper.events.model import Event, Severity

START = 1_790_000_000_000_000
"""The first event's time: 2026-09-21."""
NEEDLES = tuple(f"needle-{word}-{number:02d}" for number, word in enumerate(("curl", "passwd", "ssh", "token") * 4))
"""Sixteen words that stand in one event of a thousand."""
_TOOLS = {
    "files": ("read_file", "write_file", "list_directory", "search_files", "move_file"),
    "git": ("git_log", "git_diff", "git_commit", "git_show", "git_status"),
    "time": ("get_current_time", "convert_time"),
    "web": ("fetch", "search", "screenshot"),
    "tickets": ("create_issue", "list_issues", "comment", "close_issue"),
    "database": ("query", "describe_table", "explain"),
}
_SERVERS = (*("files",) * 8, *("git",) * 5, *("web",) * 4, *("database",) * 3, *("tickets",) * 2, "time")
_SYLLABLES = [a + b + c for a in "bdfgklmnprstvw" for b in ("a", "e", "i", "o", "u", "ai") for c in ("", "n", "r", "s")]
_CALL = "gateway.request.decided"
_OTHER = (
    ("gateway.session.opened", Severity.INFORMATIONAL),
    ("gateway.message.decided", Severity.INFORMATIONAL),
    ("registry.definition.seen", Severity.INFORMATIONAL),
    ("detect.alert.raised", Severity.HIGH),
    ("operators.token.issued", Severity.LOW),
)


class Estate:
    """Makes events, one after the other; `every` microseconds lie between two."""

    def __init__(self, seed: int = 1, *, start: int = START, every: int = 200) -> None:
        self._dice = random.Random(seed)
        self._start, self._every = start, every
        self._words = ["".join(self._dice.choices(_SYLLABLES, k=self._dice.randint(1, 4))) for _ in range(10_000)]
        self._number = 0

    def events(self, count: int) -> Iterator[Event]:
        """The next `count` events."""
        for _ in range(count):
            yield self.event()

    def event(self) -> Event:
        """The next event."""
        dice, number = self._dice, self._number
        self._number += 1
        time = self._start + number * self._every
        kind, severity = _CALL, Severity.INFORMATIONAL
        if number % 50 == 49:
            kind, severity = dice.choice(_OTHER)
        server = dice.choice(_SERVERS)
        is_denied = dice.random() < 0.03
        bits = dice.getrandbits(74)
        return Event(
            v=1,
            id=_uuid7(time, bits),
            time=time,
            kind=kind,
            actor=f"agent:{int(dice.paretovariate(0.8)) % 400:03d}",
            claimed=dice.choice(("claude-code/2.1", "cursor/1.9", "inspector/0.17", "in-house/3")),
            server=server,
            target=dice.choice(_TOOLS[server]),
            era="modern" if dice.random() < 0.8 else "legacy",
            trace=f"{dice.getrandbits(128):032x}-{dice.getrandbits(64):016x}",
            outcome="deny" if is_denied else "allow",
            severity=Severity.MEDIUM if is_denied else severity,
            body=self._body(number, server, is_denied=is_denied),
        )

    def _body(self, number: int, server: str, *, is_denied: bool) -> dict[str, object]:
        dice = self._dice
        body: dict[str, object] = {
            "method": "tools/call",
            "id": number,
            "rules": ["no-writes-outside-work"] if is_denied else ["allow-reading"],
            "correlation": f"{dice.getrandbits(64):016x}",
            "bytes_in": dice.randint(80, 900),
            "bytes_out": dice.randint(80, 40_000),
            "duration_us": int(dice.lognormvariate(8, 1)),
            "arguments": self._arguments(server),
        }
        if is_denied:
            body["reason"] = f"{dice.choice(self._words)} lies outside of what {dice.choice(self._words)} may write"
        text = self._prose(dice.choice((6, 12, 18, 30, 60, 110)))
        if number % 1000 == 500:
            text += " " + NEEDLES[number // 1000 % len(NEEDLES)]
        body["result"] = _text({"content": [{"type": "text", "text": text}]})
        return body

    def _arguments(self, server: str) -> str:
        word = self._dice.choices(self._words, k=4)
        match server:
            case "files":
                return _text(
                    {"path": f"/home/{word[0]}/src/{word[1]}/{word[2]}.py", "limit": self._dice.randint(1, 999)}
                )
            case "web":
                return _text({"url": f"https://{word[0]}.example/{word[1]}?q={word[2]}+{word[3]}"})
            case "database":
                return _text(
                    {"sql": f"SELECT {word[0]}, {word[1]} FROM {word[2]} WHERE id = {self._dice.randint(1, 10**9)}"}
                )
            case _:
                return _text({"repo": f"{word[0]}/{word[1]}", "query": " ".join(word)})

    def _prose(self, words: int) -> str:
        return " ".join(self._dice.choices(self._words, k=words))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _uuid7(time: int, bits: int) -> str:
    value = (time // 1000) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (2**62 - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
