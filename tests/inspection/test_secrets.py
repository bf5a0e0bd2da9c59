from __future__ import annotations

from collections.abc import Callable

import pytest

from watchkeeper.inspection import Finding, Surface

Find = Callable[..., tuple[Finding, ...]]


@pytest.mark.behaviour("inspection.secret-leaving")
@pytest.mark.parametrize("surface", [Surface.ARGUMENTS, Surface.RESULT, Surface.DEFINITION, Surface.MESSAGE])
def test_a_token_is_found_on_every_surface(find: Find, token: str, surface: Surface) -> None:
    (found,) = find({"body": f"use {token} here"}, surface)
    assert (found.rule, found.label, found.path) == ("secrets.github-token", "secret", "/body")


def test_a_password_is_found_by_the_name_it_stands_under(find: Find) -> None:
    (found,) = find({"config": {"client_secret": "q8Rt3LmXk7Zv2WpN9cYd"}})
    assert (found.path, found.start, found.end) == ("/config/client_secret", 0, 20)


@pytest.mark.behaviour("inspection.examples-are-not-secrets")
@pytest.mark.parametrize(
    "value",
    [
        {"key": "AKIAIOSFODNN7EXAMPLE"},
        {"token": "ghp_" + "x" * 36},
        {"api_key": "your-api-key-goes-here"},
        {"api_key": "${API_KEY_FROM_THE_VAULT}"},
        {"password": "correct horse battery staple"},
        {"password": "a-password-made-of-words"},
        {"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"id": "550e8400-e29b-41d4-a716-446655440000"},
        {"commit": "a3bf4f1b2b0b822cd15d6c15b0f00a08a3bf4f1b"},
        {"url": "postgres://user:password@localhost/app"},
    ],
)
def test_examples_placeholders_and_hashes_are_not_secrets(find: Find, value: object) -> None:
    assert find(value) == ()


def test_a_secret_split_by_invisible_characters_is_still_one(find: Find, token: str) -> None:
    (found,) = find({"t": token[:12] + "\u200b" + token[12:]})
    assert found.rule == "secrets.github-token"


def test_a_secret_before_an_invisible_character_is_still_one(find: Find, token: str) -> None:
    assert [f.rule for f in find({"t": token + "\u200bmore"}, ascii_only=False)] == ["secrets.github-token"]
