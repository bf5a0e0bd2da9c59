"""One form for each value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence import values
from watchkeeper.detect.intelligence.model import Type
from watchkeeper.detect.intelligence.names import walk
from watchkeeper.detect.intelligence.values import guess, normal, package

pytestmark = pytest.mark.behaviour("intel.values")


@pytest.mark.parametrize(
    ("kind", "said", "meant"),
    [
        (Type.IP, "203.0.114.7:8443", "203.0.114.7"),
        (Type.IP, "::ffff:203.0.114.7", "203.0.114.7"),
        (Type.IP, "2001:0DB9::0001", "2001:db9::1"),
        (Type.NETWORK, "203.0.114.77/24", "203.0.114.0/24"),
        (Type.DOMAIN, "*.Bad[.]Host.Net.", "bad.host.net"),
        (Type.DOMAIN, "bücher.net", "xn--bcher-kva.net"),
        (Type.DOMAIN, "bad\u3002host\uff0enet", "bad.host.net"),
        (Type.URL, "hxxps://User:x@Bad[.]net:443/Path?Q=1#top", "https://bad.net/Path?Q=1"),
        (Type.URL, "http://bad.net", "http://bad.net/"),
        (Type.EMAIL, "Jo[at]Bad[.]net", "jo@bad.net"),
        (Type.HASH, "ABCDEF0123456789ABCDEF0123456789", "abcdef0123456789abcdef0123456789"),
        (Type.PACKAGE, "pkg:npm/%40scope/Tool@1.2.0?x=y", "npm/@scope/tool@1.2.0"),
        (Type.PACKAGE, "pypi/Some_Tool.X", "pypi/some-tool-x"),
        (Type.PACKAGE, "tool@2", "*/tool@2"),
        (Type.DEFINITION, "SHA256:" + "0f" * 32, "sha256:" + "0f" * 32),
        (Type.SERVER, " Weather ", "weather"),
    ],
)
def test_a_value_has_one_form(kind: Type, said: str, meant: str) -> None:
    assert normal(kind, said) == meant


@pytest.mark.parametrize(
    ("kind", "said", "code"),
    [
        (Type.DOMAIN, "co.uk", "too_broad"),
        (Type.DOMAIN, "github.io", "too_broad"),
        (Type.DOMAIN, "repl.co", "too_broad"),
        (Type.DOMAIN, "net", "invalid"),
        (Type.DOMAIN, "-bad.net", "invalid"),
        (Type.DOMAIN, "bad..net", "invalid"),
        (Type.NETWORK, "0.0.0.0/0", "too_broad"),
        (Type.NETWORK, "2001::/8", "too_broad"),
        (Type.HASH, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "too_broad"),
        (Type.HASH, "0" * 64, "too_broad"),
        (Type.HASH, "xyz", "invalid"),
        (Type.IP, "300.1.1.1", "invalid"),
        (Type.URL, "http://", "invalid"),
        (Type.EMAIL, "a b@bad.net", "invalid"),
        (Type.PACKAGE, "npm/a; rm -rf", "invalid"),
        (Type.SERVER, "a\x1b[2J", "invalid"),
        (Type.SERVER, "x" * 5000, "invalid"),
    ],
)
def test_what_is_no_value_or_belongs_to_many_is_refused(kind: Type, said: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        normal(kind, said)
    assert (refused.value.code, said in refused.value.reason) == (code, False)


def test_a_bare_word_says_what_it_is() -> None:
    words = ["1.2.3.4", "1.2.3.0/24", "bad.net", "http://bad.net/x", "a@bad.net", "ab" * 20, "sha256:" + "ab" * 32,
             "pkg:npm/tool", "2a01::5"]  # fmt: skip
    assert [guess(word)[0].value for word in words] == [
        "ip", "network", "domain", "url", "email", "hash", "definition", "package", "ip",
    ]  # fmt: skip


def test_a_walk_ends_at_the_name_that_somebody_registered() -> None:
    assert walk("a.b.bad.co.uk") == ["a.b.bad.co.uk", "b.bad.co.uk", "bad.co.uk"]
    assert walk("x.somebody.github.io") == ["x.somebody.github.io", "somebody.github.io"]
    assert walk("co.uk") == []


def test_no_ecosystem_stands_for_any() -> None:
    assert [package(text) for text in ("@scope/tool", "docker/img@1", "tool name", "")] == [
        "*/@scope/tool", "oci/img@1", "", "",
    ]  # fmt: skip


@given(st.lists(st.sampled_from((*"aA1.:/?#@%-_ é[", "http://", "https://", "evil.net", "1.2.3.4", ":80")), max_size=7))
@settings(max_examples=300, deadline=None)
def test_a_plain_url_is_read_as_any_other(pieces: list[str]) -> None:
    text = "http://" + "".join(pieces)
    assert not values._plain_url(text) or values._plain_url(text) == values._any_url(text)
