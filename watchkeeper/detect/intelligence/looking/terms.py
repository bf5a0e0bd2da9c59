"""Whether the rest of a pattern holds: further conditions on the observables of the same event."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache

import re2

from watchkeeper.detect.intelligence.looking.observables import is_candidate, observables
from watchkeeper.detect.intelligence.looking.packages import packages
from watchkeeper.detect.intelligence.looking.words import words
from watchkeeper.detect.intelligence.model import Term, Type
from watchkeeper.detect.intelligence.names import walk
from watchkeeper.events import Event

Observed = dict[Type, set[str]]


def observed(event: Event) -> Observed:
    """All that an event shows, by type; names with their parents."""
    found: Observed = {}
    every = words(event)
    for word in filter(is_candidate, set(every)):
        for kind, value in observables(word):
            found.setdefault(kind, set()).update(walk(value) if kind is Type.DOMAIN else (value,))
    found.setdefault(Type.PACKAGE, set()).update(packages(every))
    if event.server:
        found[Type.SERVER] = {event.server.casefold()}
    return found


def hold(terms: Iterable[Term], shown: Observed) -> bool:
    """Whether each of them does."""
    return all(_holds(term, shown) is not term.negated for term in terms)


def _holds(term: Term, shown: Observed) -> bool:
    if term.type is Type.NETWORK:
        network = ipaddress.ip_network(term.value)
        return any(_is_in(address, network) for address in shown.get(Type.IP, ()))
    values = shown.get(term.type, set())
    if term.operator == "=":
        return term.value in values or any(value.startswith(f"{term.value}@") for value in _versions(term, values))
    test = _test(term.operator, term.value)
    return any(map(test, values))


def _versions(term: Term, values: set[str]) -> Iterable[str]:
    return values if term.type is Type.PACKAGE else ()


def _is_in(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    address = ipaddress.ip_address(text)
    return address.version == network.version and address in network


@lru_cache(maxsize=1024)
def _test(operator: str, text: str) -> Callable[[str], bool]:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    source = _like(text) if operator == "LIKE" else text
    compiled = re2.compile(source, options)
    return lambda value: compiled.search(value) is not None


def _like(text: str) -> str:
    parts = [".*" if c == "%" else "." if c == "_" else re2.escape(c) for c in text]
    return f"(?si)\\A{''.join(parts)}\\z"
