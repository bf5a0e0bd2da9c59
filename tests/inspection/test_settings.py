from __future__ import annotations

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.settings import EgressSettings, check_egress


@pytest.mark.parametrize("pattern", ["*.example.com", "10.0.0.0/8", "::1", "api-[ab].test"])
def test_hosts_and_patterns_of_them_are_taken(pattern: str) -> None:
    check_egress(EgressSettings(allow=(pattern,)))


@pytest.mark.parametrize("pattern", ["https://example.com", "exa mple.com", "", "example.com/path"])
def test_what_no_host_could_match_is_refused(pattern: str) -> None:
    with pytest.raises(Misconfigured, match=r"egress\.block"):
        check_egress(EgressSettings(block=(pattern,)))
