"""What a STIX pattern comes to: alternatives, each a value to look up and what else the event must show. Pure.

A branch of an OR that no event of MCP can show is left out: what remains finds less, never more. A part of an AND that
cannot be shown refuses the whole: without it, the indicator would find what its author did not mean.
"""

from __future__ import annotations

from itertools import product

import msgspec
import re2

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.model import Term, Type
from watchkeeper.detect.intelligence.patterns.parsing import All, Compare, Node, NotHere, Some, parse
from watchkeeper.detect.intelligence.values import normal

_MOST = 256
"""Alternatives of one pattern."""
_LONGEST_REGEX = 512
PATHS: dict[str, Type] = {
    "ipv4-addr:value": Type.IP,
    "ipv6-addr:value": Type.IP,
    "network-traffic:src_ref.value": Type.IP,
    "network-traffic:dst_ref.value": Type.IP,
    "domain-name:value": Type.DOMAIN,
    "url:value": Type.URL,
    "email-addr:value": Type.EMAIL,
    "email-message:from_ref.value": Type.EMAIL,
    "email-message:sender_ref.value": Type.EMAIL,
    "file:hashes.MD5": Type.HASH,
    "file:hashes.SHA-1": Type.HASH,
    "file:hashes.SHA-256": Type.HASH,
    "file:hashes.SHA-512": Type.HASH,
    "file:hashes.SHA1": Type.HASH,
    "file:hashes.SHA256": Type.HASH,
    "file:hashes.md5": Type.HASH,
    "file:hashes.sha1": Type.HASH,
    "file:hashes.sha256": Type.HASH,
    "artifact:hashes.MD5": Type.HASH,
    "artifact:hashes.SHA-1": Type.HASH,
    "artifact:hashes.SHA-256": Type.HASH,
    "x-mcp-definition:fingerprint": Type.DEFINITION,
    "x-mcp-server:name": Type.SERVER,
    "x-mcp-package:name": Type.PACKAGE,
}
"""What of STIX's cyber observables an event can show; the three of `x-mcp-` are ours."""
_QUOTED = {path.replace(last, f"'{last}'"): kind for path, kind in PATHS.items()
           if (last := path.rpartition(".")[2]) and ":hashes." in path}  # fmt: skip
_SIMPLE = PATHS | _QUOTED
VERSION = "x-mcp-package:version"


class Sought(msgspec.Struct, frozen=True, array_like=True):
    """One alternative of a pattern."""

    type: Type
    value: str
    also: tuple[Term, ...] = ()


class Meaning(msgspec.Struct, frozen=True, array_like=True):
    """What a pattern comes to here."""

    sought: tuple[Sought, ...]
    left_out: int = 0
    """Branches of an OR that no event can show."""


def meaning(pattern: str) -> Meaning:
    """Raises `Invalid` for what is no pattern, `NotHere` for what one event cannot show."""
    simple = _simple(pattern)
    if simple is not None:
        return Meaning((simple,))
    branches, left_out, why = _branches(parse(pattern))
    found = []
    for branch in branches:
        try:
            found.append(_sought(branch))
        except Invalid as error:
            left_out, why = left_out + 1, why or error
    if not found:
        raise why or NotHere("the pattern says nothing that can be looked up")
    return Meaning(tuple(dict.fromkeys(found)), left_out)


def _simple(pattern: str) -> Sought | None:
    """The short way for the form that nearly all have: `[path = 'value']`."""
    if pattern[:1] != "[" or pattern[-2:] != "']" or "\\" in pattern:
        return None
    path, _, rest = pattern[1:-2].partition("=")
    kind = _SIMPLE.get(path.strip())
    rest = rest.lstrip()
    if kind is None or rest[:1] != "'" or "'" in rest[1:]:
        return None
    return _equal(kind, rest[1:])


def _equal(kind: Type, value: str) -> Sought:
    if kind is Type.IP and "/" in value:
        network = normal(Type.NETWORK, value)
        address, _, length = network.partition("/")
        if length == ("128" if ":" in address else "32"):
            return Sought(Type.IP, normal(Type.IP, address))
        return Sought(Type.NETWORK, network)
    return Sought(kind, normal(kind, value))


_Branch = tuple[Compare, ...]


def _branches(node: Node) -> tuple[list[_Branch], int, Invalid | None]:
    """The tree as an OR of ANDs, bounded; how many branches were left out, and why the first."""
    if isinstance(node, Compare):
        return _alternatives(node), 0, None
    parts = [_branches(arg) for arg in node.args]
    left_out, why = sum(part[1] for part in parts), next((part[2] for part in parts if part[2]), None)
    if isinstance(node, Some):
        found = [branch for part in parts for branch in part[0]]
    else:
        size = 1
        for part in parts:
            size *= len(part[0])
        if size > _MOST:
            raise Invalid("the pattern has too many alternatives")
        found = [tuple(one for branch in chosen for one in branch) for chosen in product(*(part[0] for part in parts))]
    if len(found) > _MOST:
        raise Invalid("the pattern has too many alternatives")
    return found, left_out, why


def _alternatives(one: Compare) -> list[_Branch]:
    if one.operator == "IN" and not one.negated:
        return [(Compare(one.path, "=", (value,)),) for value in one.values]
    if one.operator == "IN":
        return [tuple(Compare(one.path, "=", (value,), True) for value in one.values)]
    return [(one,)]


def _sought(branch: _Branch) -> Sought:
    """The value to look up, and the rest. Raises `NotHere`, `Invalid`."""
    version = next((c.values[0] for c in branch if c.path == VERSION and c.operator in ("=", "==")), "")
    terms = [_term(one, version) for one in branch if not (one.path == VERSION and version)]
    for at, term in enumerate(terms):
        if term.operator == "=" and not term.negated:
            return Sought(term.type, term.value, tuple(terms[:at] + terms[at + 1 :]))
    raise NotHere("the pattern has no value that could be looked up, only comparisons")


def _term(one: Compare, version: str) -> Term:
    kind = PATHS.get(one.path)
    if kind is None:
        raise NotHere(f"no event of MCP shows {one.path[:60]}")
    value, operator, negated = one.values[0], one.operator, one.negated
    if operator in ("!=", "<>"):
        operator, negated = "=", not negated
    if operator in ("=", "=="):
        found = _equal(kind, f"{value}@{version}" if kind is Type.PACKAGE and version else value)
        return Term(found.type, "=", found.value, negated)
    if operator == "ISSUBSET" and kind is Type.IP:
        found = _equal(kind, value if "/" in value else f"{value}/{128 if ':' in value else 32}")
        return Term(found.type, "=", found.value, negated)
    if operator == "LIKE":
        return Term(kind, "LIKE", value[:_LONGEST_REGEX], negated)
    if operator == "MATCHES":
        return Term(kind, "MATCHES", _checked(value), negated)
    raise NotHere(f"the comparison {operator} of {one.path[:60]} is not carried out")


def _checked(regex: str) -> str:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    if len(regex) > _LONGEST_REGEX:
        raise Invalid("the pattern's regular expression is too long")
    try:
        re2.compile(regex, options)
    except re2.error as error:
        raise Invalid("the pattern's regular expression cannot run on RE2") from error
    return regex


__all__ = ["PATHS", "All", "Meaning", "NotHere", "Some", "Sought", "meaning"]
