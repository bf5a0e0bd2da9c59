"""A small bundle, two people who sign it, and a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.policy.bundles import Envelope, TrustSettings, build, collect

POLICY = '@id("mine.no") @reason("No.") forbid (principal, action == Action::"call_tool", resource == Tool::"s/t");\n'
CASES = """ask: {principal: a, server: s, target: t, pin: approved}
cases:
  - {name: not that one, effect: deny, rules: [mine.no]}
  - {name: another one, ask: {target: u}, effect: allow, rules: [starter.allow-known-agents]}
"""


@pytest.fixture(scope="session")
def ann() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def bob() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def stranger() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="session")
def trust(ann: SigningKey, bob: SigningKey) -> TrustSettings:
    """Both of them have to sign."""
    return TrustSettings({"ann": public_text(ann.public), "bob": public_text(bob.public)}, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "mine.cedar").write_text(POLICY)
    (own / "mine.tests.yaml").write_text(CASES)
    return own


@pytest.fixture
def unsigned(folder: Path) -> Envelope:
    return build(collect([folder], []), version=3, created="2026-01-31T12:00:00Z", description="no t", windows={})
