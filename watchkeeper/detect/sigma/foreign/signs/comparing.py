"""Signs that several lines of a record show together: amounts, holders, names that resemble, owners. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import re2

Pairs = list[tuple[str, str]]
"""Path and value."""

WEIGHTS = {
    "beyond_usual": 3,
    "disagreement": 3,
    "lookalike": 3,
    "many": 1,
    "several_holders": 3,
    "stranger": 3,
    "very_many": 2,
}

_USUALS = "allowed average avg baseline expected limit max maximum normal quota threshold typical usual"
_COUNTS = """
amount attempts calls count deleted depth downloads entries fetched files hits hops hour iterations messages minute
objects prompts quantity queries read records repeats requests returned rows spend steps total uses
"""
_HOLDING = """
addresses agent agents client clients countries devices hosts ip ips locations origins seen server servers service
services tools used users
"""
_KNOWN = """
amazon anthropic apple atlassian azure claude cloudflare docker dropbox example github gitlab google microsoft
notion okta openai paypal slack stripe
"""
_USUAL, _COUNTED = frozenset(_USUALS.split()), frozenset(_COUNTS.split())
_HOLDERS, _BRANDS = frozenset(_HOLDING.split()), frozenset(_KNOWN.split())
_MEASURES = _COUNTED | frozenset(
    {"ms", "seconds", "time", "date", "size", "bytes", "duration", "latency", "rate", "version"}
)
_LOOSE = _USUAL - {"expected"} | {"default", "initial", "old", "previous", "prior", "requested", "required"}
_DISTINCT = frozenset({"distinct", "unique", "different"})
_credential = re2.compile(r"(?i)(token|credential|secret|bearer|jwt|\bcode|auth_code|session|api_?key|cookie|password)")
_number = re2.compile(r"^[0-9]{1,18}(\.[0-9]{1,18})?$")
_host = re2.compile(r"(?i)([a-z0-9-]+)\.[a-z]{2,10}\b")
_LEET = str.maketrans("0135", "oles")
_MANY, _VERY_MANY = 100, 1_000
_TIMES = 4
"""How many times its usual a number is beyond it."""
_LONGEST_NAME = 256
_LONGEST_HOST = 512
_HASH = r"(hash|sha\w*|digest|fingerprint|checksum)"
_MARK = rf"({_HASH}|signature|definition|description)"
_RIGHT = r"(privilege|permission|role|access|level)"
_WHO = r"(user|subject|principal)"
_OF = r"(rag|model|tool|image|binary|weights|file|package|loaded|running)"
_TWO = (
    (r"(issued_(to|for)|azp|bound_to|original_(service|client|server|audience)|granted_to)",
     r"(presented_(by|at|to)|used_(by|at)|service|client_(id|name)|resource_servers?|presenter)"),
    (rf"(on_behalf_of|token_({_WHO}|owner)|subject|sub|owner_user|resource_owner)",
     rf"((authenticated|request(ing|er)?|calling|session|current|actual|effective)_?{_WHO}|caller)"),
    (r"(owner(_agent|_server|_id)?|original_owner|registered_owner)",
     r"(writer(_agent|_id)?|new_owner|writ(ten|er)_by)"),
    (rf"\w*{_MARK}_(before|old|initial|baseline|declared)", rf"\w*{_MARK}_(after|new|now|current|observed)"),
    (rf"(before|old|baseline|known|lock(file)?|sbom|declared|manifest|registry|recorded|published)_{_HASH}",
     rf"(after|new|current|fetched|downloaded|installed|observed|computed|runtime|on_disk|loaded|running|weights)_"
     rf"{_HASH}"),
    (rf"(approved|registered|declared|expected)_(\w+_)?{_HASH}", rf"{_OF}_(\w+_)?{_HASH}"),
    (r"(state|nonce)_(sent|issued|stored)", r"(state|nonce)_(received|returned|got)"),
    (rf"{_RIGHT}\w*_(before|old)", rf"{_RIGHT}\w*_(after|new)"),
    (rf"(first|lowest|start)_(\w+_)?{_RIGHT}", rf"(last|highest|final|end)_(\w+_)?{_RIGHT}"),
    (rf"(caller|user|requester|principal)_{_RIGHT}", rf"(required|tool|target)_(\w+_)?{_RIGHT}"),
)  # fmt: skip
"""Names of what was given and of what is shown: the two ought to be of one."""
_PAIRS = tuple((re2.compile(f"^{one}$"), re2.compile(f"^{other}$")) for one, other in _TWO)


def compared(pairs: Pairs) -> Iterator[str]:
    """The names of the signs."""
    for look in _LOOKS:
        yield from look(pairs)


def _words(path: str) -> frozenset[str]:
    return frozenset(path.rpartition(".")[2].split("_"))


def _amounts(pairs: Pairs) -> Iterator[str]:
    """A number far beyond one that says what is usual, or large by itself."""
    numbers = [(_words(path), float(value)) for path, value in pairs if _number.match(value)]
    told = [(words, number) for words, number in numbers if _USUAL.isdisjoint(words)]
    most = max((number for words, number in told if words & _COUNTED), default=0.0)
    for words, usual in numbers:
        if words & _USUAL and usual > 0 and _is_beyond(words, usual, told, most):
            yield "beyond_usual"
    if most >= _MANY:
        yield "very_many" if most >= _VERY_MANY else "many"


def _is_beyond(words: frozenset[str], usual: float, told: list[tuple[frozenset[str], float]], most: float) -> bool:
    """Against the numbers that share a word with it, and against whatever is counted."""
    nouns = words - _USUAL
    return max([most, *(number for other, number in told if nouns & other)]) >= _TIMES * usual


def _holders(pairs: Pairs) -> Iterator[str]:
    """One credential that several hold."""
    if not any(_credential.search(path) for path, _ in pairs):
        return
    held: dict[str, set[str]] = defaultdict(set)
    for path, value in pairs:
        words = _words(path)
        if words & _HOLDERS:
            held[path].add(value)
            if words & _DISTINCT and _number.match(value) and float(value) > 1:
                yield "several_holders"
    if any(len(values) > 1 for values in held.values()):
        yield "several_holders"


def _lookalikes(pairs: Pairs) -> Iterator[str]:
    """A host that is a known name but for digits that look like letters."""
    for _, value in pairs:
        labels = [found.group(1).lower() for found in _host.finditer(value[:_LONGEST_HOST])]
        if any(label not in _BRANDS and label.translate(_LEET) in _BRANDS for label in labels):
            yield "lookalike"
            return


def _disagreements(pairs: Pairs) -> Iterator[str]:
    """Two members that ought to be alike; amounts and times need not be."""
    for path, value in pairs:
        if path.startswith("differs.") and value.partition("/")[0] not in _LOOSE and not _words(path) & _MEASURES:
            yield "disagreement"
            return


def _strangers(pairs: Pairs) -> Iterator[str]:
    """What was given to one and is shown by another; what bears one mark before and another after."""
    values = [(path.rpartition(".")[2], value) for path, value in pairs if len(value) <= _LONGEST_NAME]
    for one, other in _PAIRS:
        given = {value for name, value in values if one.match(name)}
        shown = {value for name, value in values if other.match(name)}
        if given and shown and given.isdisjoint(shown):
            yield "stranger"


_LOOKS: tuple[Callable[[Pairs], Iterator[str]], ...] = (_amounts, _holders, _lookalikes, _disagreements, _strangers)
