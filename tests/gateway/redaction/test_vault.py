from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import PATTERN
from watchkeeper.gateway.redaction.settings import RedactionSettings
from watchkeeper.gateway.redaction.vault import Vault

KEY = bytes(32)


def value(text: str, server: str = "crm", kind: str = "email") -> Value:
    return Value(text, kind, ("email", "personal_data"), frozenset({server}))


def kept(vault: Vault, owner: str, text: str, server: str = "crm") -> tuple[str, str]:
    found = PATTERN.fullmatch(vault.keep(owner, value(text, server)) or "")
    assert found is not None
    return found[1], found[2]


@given(st.text(min_size=1, max_size=200))
def test_whatever_is_kept_comes_back_exactly(text: str) -> None:
    vault = Vault(KEY)
    back = vault.value_of("a", *kept(vault, "a", text))
    assert back is not None
    assert (back.text, back.kind, back.classes, back.servers) == (text, "email", ("email", "personal_data"), {"crm"})


@pytest.mark.behaviour("redaction.same-value-same-placeholder")
def test_workers_with_one_key_write_the_same_placeholder() -> None:
    assert kept(Vault(KEY), "a", "x@lakes.test") == kept(Vault(KEY), "a", "x@lakes.test")
    assert kept(Vault(), "a", "x@lakes.test") != kept(Vault(), "a", "x@lakes.test")


def test_a_value_seen_at_two_servers_is_of_both() -> None:
    vault = Vault(KEY)
    name = kept(vault, "a", "x@lakes.test", "crm")
    assert kept(vault, "a", "x@lakes.test", "mail") == name
    back = vault.value_of("a", *name)
    assert back is not None
    assert back.servers == {"crm", "mail"}


def test_a_name_under_another_type_or_owner_opens_nothing() -> None:
    vault = Vault(KEY)
    kind, name = kept(vault, "a", "x@lakes.test")
    assert vault.value_of("b", kind, name) is None
    assert vault.value_of("a", "phone", name) is None
    assert vault.is_ours(kind, name)
    assert not vault.is_ours("phone", name)
    assert not Vault().is_ours(kind, name)


@pytest.mark.behaviour("redaction.vault-bounded")
def test_who_shows_too_much_pushes_out_its_own_values_only() -> None:
    vault = Vault(KEY, RedactionSettings(values=10, of_one=6))
    mine = kept(vault, "a", "x@lakes.test")
    names = [kept(vault, "b", f"{i}@lakes.test") for i in range(20)]
    assert vault.value_of("a", *mine) is not None
    assert vault.value_of("b", *names[-1]) is not None
    assert vault.value_of("b", *names[0]) is None
    assert len(vault) == 7
    for owner in "cdefgh":
        kept(vault, owner, "x@lakes.test")
    assert len(vault) == 10
    assert vault.value_of("a", *mine) is not None


@pytest.mark.behaviour("redaction.vault-bounded")
def test_what_was_not_used_for_long_is_forgotten() -> None:
    now = [0.0]
    vault = Vault(KEY, RedactionSettings(hours=1 / 60), now=lambda: now[0])
    used, unused = kept(vault, "a", "x@lakes.test"), kept(vault, "a", "y@lakes.test")
    now[0] = 50.0
    assert vault.value_of("a", *used) is not None
    now[0] = 100.0
    assert vault.value_of("a", *used) is not None
    assert vault.value_of("a", *unused) is None
    kept(vault, "b", "z@lakes.test")
    assert len(vault) == 2


def test_what_is_too_long_is_not_kept() -> None:
    vault = Vault(KEY, RedactionSettings(longest=10))
    assert vault.keep("a", value("x" * 11)) is None
    assert vault.keep("a", value("")) is None


def test_memory_holds_no_value_in_clear() -> None:
    vault = Vault(KEY)
    kept(vault, "a", "x@lakes.test")
    assert "lakes" not in repr(vars(vault))
