"""Regular expressions mean on RE2 what they mean where Sigma's rules are written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detect.conditions.patterns import Unsupported, regex, with_vertical_tab

SOURCES = (
    r"a\sb", r"a\Sb", r"a[\s-]b", r"a[^\s]b", r"a[\s]+b", r"a[]\s]b", r"a[^]\s]b", r"a[[:alpha:]\s]b", r"a\\sb",
    r"a\[\sb", r"a[\]\s]b", r"(a|\s)\s*b", r"a\s{1,2}b",
)  # fmt: skip


@pytest.mark.behaviour("sigma.regex-space")
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("between", [" ", "\t", "\n", "\r", "\f", "\v", "x", "-", "]", "", "\\s", "[", "[\v", "\v "])
def test_white_space_is_what_it_is_in_pcre(source: str, between: str) -> None:
    oracle = re.compile(source.replace("[:alpha:]", "a-zA-Z"), re.ASCII)
    assert regex(source)(f"a{between}b") == (oracle.search(f"a{between}b") is not None)


@pytest.mark.behaviour("sigma.regex-space")
def test_what_is_quoted_stays_and_an_open_class_is_refused() -> None:
    assert with_vertical_tab(r"\Qa\s[\E\s") == r"\Qa\s[\E[\v\s]"
    assert with_vertical_tab(r"\Qa\s") == r"\Qa\s"
    for source in ("[", r"[\s", "a\\"):
        with pytest.raises(Unsupported):
            regex(source)


@given(st.text(alphabet=r"\sSQE[]^:-a ", max_size=12))
def test_rewriting_an_expression_never_fails(source: str) -> None:
    assert len(with_vertical_tab(source)) >= len(source)
