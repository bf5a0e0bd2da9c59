from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection import Surface, matcher
from watchkeeper.inspection.matcher import HyperscanMatcher, Matcher, Pattern, Re2Matcher, make_matcher
from watchkeeper.inspection.rules import Rule, load_rules, portable
from watchkeeper.inspection.scanner import OwnedRule, Scanner

RULES: list[OwnedRule] = [
    (name, rule)
    for name in ("hidden_instructions", "secrets")
    for rule in load_rules(content_folder("inspectors"), name)
]
PATTERNS = [(portable(rule.hint or rule.pattern), rule.case) for _, rule in RULES]
EXAMPLES = [text.encode() for _, rule in RULES for text in (*rule.tests.match, *rule.tests.clean)]
ONE = Scanner(RULES, matcher=HyperscanMatcher(PATTERNS)) if matcher.hyperscan else None
OTHER = Scanner(RULES, matcher=Re2Matcher(PATTERNS))

needs_hyperscan = pytest.mark.skipif(matcher.hyperscan is None, reason="no hyperscan wheel on this platform")
pieces = st.one_of(
    st.sampled_from(EXAMPLES),
    st.sampled_from(EXAMPLES).flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])),
    st.binary(max_size=12),
    st.sampled_from([b" ", b"\n", b"\x0b", b"\xc2\xa0", b"\xff", b"\\n", b'"', b"K\xe2\x84\xaa", b"\xc5\xbf", b"\x00"]),
)


@needs_hyperscan
@pytest.mark.behaviour("inspection.engines-agree")
@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=6).map(b"".join), st.sampled_from(Surface))
def test_both_engines_find_the_same(data: bytes, surface: Surface) -> None:
    assert ONE is not None
    assert ONE.inspect(surface, data) == OTHER.inspect(surface, data)


@needs_hyperscan
@settings(max_examples=100, deadline=None)
@given(st.lists(pieces, max_size=6).map(b"".join))
def test_both_engines_hit_the_same_patterns(data: bytes) -> None:
    assert HITS.hits(data) == OTHERS.hits(data)


HITS = make_matcher(PATTERNS)
OTHERS = Re2Matcher(PATTERNS)


@needs_hyperscan
def test_every_whole_pattern_agrees_on_the_examples_too() -> None:
    whole = [(portable(rule.pattern), rule.case) for _, rule in RULES]
    left, right = HyperscanMatcher(whole), Re2Matcher(whole)
    assert [left.hits(text) for text in EXAMPLES] == [right.hits(text) for text in EXAMPLES]


@pytest.mark.behaviour("inspection.fallback-engine")
def test_without_hyperscan_re2_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "hyperscan", None)
    made = make_matcher([(b"abc", False), (b"Abc", True)])
    assert isinstance(made, Re2Matcher)
    assert made.hits(b"xABC") == [0]
    assert made.hits(b"xAbc") == [0, 1]


@needs_hyperscan
@pytest.mark.behaviour("inspection.compiled-cache-private")
def test_the_compiled_database_is_kept_privately_and_used_again(tmp_path: Path) -> None:
    patterns = [(b"abc", False)]
    HyperscanMatcher(patterns, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert HyperscanMatcher(patterns, tmp_path / "cache").hits(b"ABC") == [0]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@needs_hyperscan
def test_other_patterns_get_another_file(tmp_path: Path) -> None:
    for pattern in (b"abc", b"abd"):
        HyperscanMatcher([(pattern, False)], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@needs_hyperscan
@pytest.mark.behaviour("inspection.compiled-cache-private")
@pytest.mark.parametrize("flaw", ["writable by others", "not a database", "a link"])
def test_a_database_that_others_may_have_written_is_compiled_anew(tmp_path: Path, flaw: str) -> None:
    patterns = [(b"abc", False)]
    HyperscanMatcher(patterns, tmp_path)
    (kept,) = tmp_path.iterdir()
    HyperscanMatcher([(b"never", False)], tmp_path / "planted")
    (planted,) = (tmp_path / "planted").iterdir()
    if flaw == "writable by others":
        kept.write_bytes(planted.read_bytes())
        kept.chmod(0o666)
    elif flaw == "not a database":
        kept.write_bytes(b"junk")
    else:
        kept.unlink()
        kept.symlink_to(planted)
    assert HyperscanMatcher(patterns, tmp_path).hits(b"abc") == [0]


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert make_matcher([(b"abc", False)], tmp_path / "file").hits(b"abc") == [0]


@pytest.mark.parametrize("engine", [Re2Matcher, HyperscanMatcher])
def test_a_pattern_that_does_not_compile_is_misconfigured(engine: Callable[[list[Pattern]], Matcher]) -> None:
    if engine is HyperscanMatcher and matcher.hyperscan is None:
        pytest.skip("no hyperscan wheel on this platform")
    with pytest.raises(Misconfigured):
        engine([(b"(", False)])


@pytest.mark.behaviour("inspection.threads")
def test_many_threads_scan_at_once() -> None:
    texts = EXAMPLES * 3
    expected = [HITS.hits(text) for text in texts]
    wrong: list[int] = []

    def scan() -> None:
        if [HITS.hits(text) for text in texts] != expected:
            wrong.append(1)

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_rule_is_frozen() -> None:
    rule: Rule = RULES[0][1]
    with pytest.raises(AttributeError):
        rule.severity = 1  # type: ignore[misc]
