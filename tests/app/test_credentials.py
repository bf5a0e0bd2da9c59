"""Secrets that settings refer to reach the server, and nothing else."""

from __future__ import annotations

import pytest

from watchkeeper.app.secrets import with_secrets
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.settings import OAuthSettings, ServerSettings, check_server

URL = "https://mcp.example/mcp"


@pytest.mark.behaviour("credentials.static-by-reference")
def test_headers_and_variables_may_name_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_TOKEN", "canary")
    server = ServerSettings(url=URL, credential="static", headers={"Authorization": "Bearer env:UPSTREAM_TOKEN"})
    check_server("x", server)
    assert with_secrets("x", server).headers == {"Authorization": "Bearer canary"}
    started = ServerSettings(command=("a",), env={"KEY": "env:UPSTREAM_TOKEN", "MODE": "plain"})
    assert with_secrets("x", started).env == {"KEY": "canary", "MODE": "plain"}


@pytest.mark.behaviour("credentials.static-by-reference")
def test_a_secret_that_would_break_out_of_its_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("canary\r\nX: y", "canäry"):
        monkeypatch.setenv("UPSTREAM_TOKEN", value)
        with pytest.raises(Misconfigured, match=r"servers\.x\.headers") as told:
            with_secrets("x", ServerSettings(url=URL, headers={"X-Key": "env:UPSTREAM_TOKEN"}))
        assert "can" not in told.value.reason.replace("cannot", "")


GOOD = {"issuer": "https://as.example", "client_id": "gateway", "client_secret": "env:S"}


@pytest.mark.behaviour("credentials.settings-checked")
@pytest.mark.parametrize(
    ("told", "server"),
    [
        ("credential", {"credential": "magic"}),
        ("credential", {"credential": "static"}),
        ("oauth", {"oauth": {"scopes": ["a"]}}),
        ("issuer", {"credential": "client_credentials", "oauth": GOOD | {"issuer": ""}}),
        ("issuer", {"credential": "user_grant", "oauth": GOOD | {"issuer": ""}}),
        ("issuer", {"credential": "token_exchange", "oauth": GOOD | {"issuer": "as.example"}}),
        ("client_id", {"credential": "token_exchange", "oauth": GOOD | {"client_id": ""}}),
        ("client_secret", {"credential": "client_credentials", "oauth": GOOD | {"client_secret": ""}}),
        ("client_secret", {"credential": "client_credentials", "oauth": GOOD | {"client_secret": "in the clear"}}),
        ("client_key", {"credential": "token_exchange", "oauth": GOOD | {"client_key": "env:K"}}),
        ("client_key", {"credential": "user_grant", "oauth": {"client_key": "in the clear"}}),
        ("issuer", {"credential": "user_grant", "oauth": {"client_key": "env:K"}}),
        ("resource", {"credential": "user_grant", "oauth": {"resource": "https://a/#b"}}),
        ("scopes", {"credential": "user_grant", "oauth": {"scopes": ["a b"]}}),
        ("url", {"credential": "user_grant", "url": "http://mcp.example/mcp"}),
        ("url", {"credential": "pass_through", "url": "http://mcp.example/mcp"}),
        ("headers", {"credential": "pass_through", "headers": {"authorization": "x"}}),
        ("credential", {"credential": "pass_through", "url": "", "command": ("a",)}),
    ],
)
def test_a_credential_that_cannot_work_is_told_by_name(told: str, server: dict[str, object]) -> None:
    values = {"url": URL} | server
    if isinstance(values.get("oauth"), dict):
        values["oauth"] = OAuthSettings(**values["oauth"])  # type: ignore[arg-type]
    with pytest.raises(Misconfigured, match=told) as error:
        check_server("x", ServerSettings(**values))  # type: ignore[arg-type]
    assert "in the clear" not in error.value.reason
