"""Trust that cannot work, or would count one person twice, is refused when settings are read."""

from __future__ import annotations

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.policy.bundles import TrustSettings, trusted_keys

KEY = public_text(SigningKey.generate().public)


@pytest.mark.parametrize(
    "trust",
    [
        TrustSettings({"ann": KEY, "bob": KEY}, 2),
        TrustSettings({"ann": KEY}, 2),
        TrustSettings({"ann": "ed25519:AAAA"}, 1),
        TrustSettings({"ann": KEY.removeprefix("ed25519:")}, 1),
        TrustSettings({"ann": "ed25519:…"}, 1),
    ],
    ids=["one key twice", "too few", "too short", "no kind", "no base64"],
)
@pytest.mark.behaviour("policy.bundle-threshold")
def test_trust_that_cannot_work_is_refused(trust: TrustSettings) -> None:
    with pytest.raises(Misconfigured):
        trusted_keys(trust)


def test_nobody_is_trusted_by_default() -> None:
    assert trusted_keys(TrustSettings()) == {}
