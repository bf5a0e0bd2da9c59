"""What keeps an endpoint from working is told before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.aggregate.settings import EndpointSettings, check_endpoints, prefix_of

SERVERS = ("git", "git__evil", "time", "mail")
FLAWS: dict[str, tuple[str, dict[str, Any]]] = {
    "a name that is a server's": ("git", {}),
    "a name with a slash": ("a/b", {}),
    "no such server": ("all", {"servers": ("svn",)}),
    "a server twice": ("all", {"servers": ("git", "git")}),
    "a prefix for no server": ("all", {"servers": ("git",), "prefixes": {"svn": "s"}}),
    "a prefix that begins another": ("all", {"servers": ("git", "git__evil")}),
    "the same prefix in other letters": ("all", {"servers": ("git", "time"), "prefixes": {"time": "GIT"}}),
    "two without a prefix": ("all", {"servers": ("git", "time"), "prefixes": {"git": "", "time": ""}}),
    "a prefix that is no word": ("all", {"servers": ("git",), "prefixes": {"git": "g t"}}),
    "an endless prefix": ("all", {"servers": ("git",), "prefixes": {"git": "g" * 40}}),
    "no separator": ("all", {"servers": ("git",), "separator": ""}),
    "an address with a query": ("all", {"servers": ("git",), "public_url": "https://x.example/mcp?a=1"}),
    "a port beyond": ("all", {"servers": ("git",), "port": 70_000}),
}


@pytest.mark.behaviour("aggregate.settings-checked")
@pytest.mark.parametrize("flaw", FLAWS)
def test_an_endpoint_whose_names_could_mean_two_servers_is_not_served(flaw: str) -> None:
    name, fields = FLAWS[flaw]
    with pytest.raises(Misconfigured) as told:
        check_endpoints({name: EndpointSettings(**fields)}, SERVERS)
    assert told.value.reason.startswith(f"endpoints.{name}")
    assert told.value.hint


def test_a_prefix_is_the_servers_name_unless_the_settings_say_another() -> None:
    endpoint = EndpointSettings(servers=("git", "time", "mail"), prefixes={"time": "t", "mail": ""}, separator=".")
    check_endpoints({"all": endpoint}, SERVERS)
    assert [prefix_of(endpoint, name) for name in ("git", "time", "mail")] == ["git.", "t.", ""]
