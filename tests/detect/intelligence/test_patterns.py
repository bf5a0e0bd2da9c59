"""STIX patterns as values to look up."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.validator import validate

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.model import Term, Type
from watchkeeper.detect.intelligence.patterns.meaning import Meaning, Sought, meaning

pytestmark = pytest.mark.behaviour("intel.patterns")
DIGEST = "ab12" * 16


@pytest.mark.parametrize(
    ("pattern", "sought"),
    [
        ("[ipv4-addr:value = '1.2.3.4']", (Sought(Type.IP, "1.2.3.4"),)),
        ("[ipv4-addr:value='1.2.3.0/24']", (Sought(Type.NETWORK, "1.2.3.0/24"),)),
        ("[ipv4-addr:value ISSUBSET '1.2.3.4/32']", (Sought(Type.IP, "1.2.3.4"),)),
        (f"[file:hashes.'SHA-256' = '{DIGEST}']", (Sought(Type.HASH, DIGEST),)),
        ("[url:value = 'http://bad.net/it\\'s']", (Sought(Type.URL, "http://bad.net/it's"),)),
        ("[domain-name:value IN ('a.net', 'b.net')]", (Sought(Type.DOMAIN, "a.net"), Sought(Type.DOMAIN, "b.net"))),
        ("[x-mcp-definition:fingerprint = 'sha256:" + DIGEST + "']", (Sought(Type.DEFINITION, f"sha256:{DIGEST}"),)),
        ("[x-mcp-server:name = 'Evil']", (Sought(Type.SERVER, "evil"),)),
        (
            "[x-mcp-package:version = '1.2' AND x-mcp-package:name = 'npm/evil']",
            (Sought(Type.PACKAGE, "npm/evil@1.2"),),
        ),
        (
            "[domain-name:value = 'a.net'] OR ([domain-name:value = 'b.net'] OR [ipv4-addr:value = '1.1.1.9'])",
            (Sought(Type.DOMAIN, "a.net"), Sought(Type.DOMAIN, "b.net"), Sought(Type.IP, "1.1.1.9")),
        ),
        (
            "[domain-name:value = 'a.net' AND (url:value LIKE '%/x' OR email-addr:value NOT = 'me@a.net')]",
            (
                Sought(Type.DOMAIN, "a.net", (Term(Type.URL, "LIKE", "%/x"),)),
                Sought(Type.DOMAIN, "a.net", (Term(Type.EMAIL, "=", "me@a.net", True),)),
            ),
        ),
        (
            "[url:value MATCHES '^https?://' AND network-traffic:dst_ref.value = '1.2.3.4']",
            (Sought(Type.IP, "1.2.3.4", (Term(Type.URL, "MATCHES", "^https?://"),)),),
        ),
    ],
)
def test_a_pattern_comes_to_values(pattern: str, sought: tuple[Sought, ...]) -> None:
    assert meaning(pattern) == Meaning(sought)


def test_a_branch_that_no_event_shows_is_left_out_and_counted() -> None:
    found = meaning("[windows-registry-key:key = 'HKLM' OR domain-name:value = 'a.net']")
    assert found == Meaning((Sought(Type.DOMAIN, "a.net"),), left_out=1)


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("[process:name = 'x' AND domain-name:value = 'a.net']", "pattern_not_here"),
        ("[domain-name:value = 'a.net'] FOLLOWEDBY [domain-name:value = 'b.net']", "pattern_not_here"),
        ("[domain-name:value = 'a.net'] AND [domain-name:value = 'b.net']", "pattern_not_here"),
        ("[domain-name:value = 'a.net'] REPEATS 5 TIMES", "pattern_not_here"),
        ("[EXISTS domain-name:value]", "pattern_not_here"),
        ("[domain-name:value LIKE '%.net']", "pattern_not_here"),
        ("[domain-name:value != 'a.net']", "pattern_not_here"),
        ("[file:size > 10 AND domain-name:value = 'a.net']", "pattern_not_here"),
        ("[domain-name:value = 'a.net' AND url:value MATCHES '(?=x)']", "invalid"),
        ("[domain-name:value = 'a.net'", "invalid"),
        ("[domain-name:value = 'a.net]", "invalid"),
        ("[domain-name:value ~ 'a.net']", "invalid"),
        ("", "invalid"),
        ("[" + "(" * 5000 + "]", "invalid"),
        ("[" + "(" * 40 + "domain-name:value = 'a.net'" + ")" * 40 + "]", "invalid"),
        ("[domain-name:value = '" + "a" * 20_000 + ".net']", "invalid"),
        ("[" + " AND ".join(["(url:value = 'http://a' OR url:value = 'http://b')"] * 20) + "]", "invalid"),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_one_event_cannot_show_or_is_no_pattern_is_refused(pattern: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        meaning(pattern)
    assert refused.value.code == code


@given(st.text(alphabet="[]()'\\ANDORINLIKE= <>!,.:abvalue-domain0123456789tTzZ", max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_understood_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert meaning(text).sought


@pytest.mark.behaviour("intel.oracle")
@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '1.2.3.4']",
        f"[file:hashes.'SHA-256' = '{DIGEST}']",
        "[url:value = 'http://bad.net/it\\'s']",
        "[domain-name:value IN ('a.net', 'b.net')]",
        "[domain-name:value = 'a.net'] OR ([domain-name:value = 'b.net'] OR [ipv4-addr:value = '1.1.1.9'])",
        "[domain-name:value = 'a.net' AND (url:value LIKE '%/x' OR email-addr:value NOT = 'me@a.net')]",
        "[domain-name:value = 'a.net'",
        "[domain-name:value = 'a.net]",
        "[domain-name:value ~ 'a.net']",
        "[= 'a.net']",
        "[domain-name:value IN 'a.net']",
        "domain-name:value = 'a.net'",
        "[]",
    ],
    ids=range(13),
)
def test_what_is_a_pattern_to_the_reference_library_is_one_to_us(pattern: str) -> None:
    try:
        meaning(pattern)
        is_ours = True
    except Invalid as error:
        is_ours = error.code != "invalid"
    assert is_ours is bool(validate(pattern))
