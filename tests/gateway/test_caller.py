"""Names that say where a principal comes from, and that no two principals share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.caller import issued_principal, local_principal, marks_of, tenant_of

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)


@pytest.mark.behaviour("oauth.tenants")
def test_a_name_says_its_tenant() -> None:
    assert local_principal("claude") == "agent:claude"
    assert local_principal("claude", "acme") == "agent:acme:claude"
    assert issued_principal("corp", "ada:1", "acme") == "agent:acme:corp/ada:1"
    assert [tenant_of(name) for name in ("agent:claude", "agent:corp/a:b")] == ["default", "default"]
    assert [tenant_of(name) for name in ("agent:acme:claude", "agent:acme:corp/a:b")] == ["acme", "acme"]
    assert [tenant_of(name) for name in ("", "operator:ada", "system:gateway")] == ["default"] * 3


@pytest.mark.behaviour("oauth.local-names-apart")
@given(NAMES, NAMES, NAMES, NAMES, st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_two_principals_share_a_name(a: str, b: str, tenant: str, other: str, sub: str, another: str) -> None:
    names = {
        ("local", a, ""): local_principal(a),
        ("local", a, tenant): local_principal(a, tenant),
        ("issued", b, sub, ""): issued_principal(b, sub),
        ("issued", b, sub, tenant): issued_principal(b, sub, tenant),
        ("issued", b, another, other): issued_principal(b, another, other),
    }
    distinct = {key: name for key, name in names.items() if "default" not in key}
    assert len(set(distinct.values())) == len(distinct)
    for name in names.values():
        assert name.isascii()
        assert name.isprintable()


@pytest.mark.behaviour("oauth.tenants")
def test_a_group_passes_for_no_scope_and_no_other_tenants_group() -> None:
    assert marks_of(["b", "a"], {"read"}) == ("a", "b", "scope:read")
    assert marks_of(["admins"], (), "acme") == ("acme:admins", "tenant:acme")
    assert marks_of(["scope:admin", "acme:admins", "a%3Ab"]) == ("a%253Ab", "acme%3Aadmins", "scope%3Aadmin")
