"""Integrations on real parts, and errands for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.respond.conftest import CLOCK, Estate, Gate, estate, gate, shared_estate
from watchkeeper.core.fetch.settings import FetchSettings
from watchkeeper.core.plugins import load
from watchkeeper.core.secrets import Secret, SecretReader
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.integrations import Ground, Integration, IntegrationSettings

__all__ = ["Estate", "Gate", "estate", "gate", "shared_estate"]
SECRETS = {
    "KEY": "routing-key-1",
    "PASSWORD": "p4ss word",
    "HOOK": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "TOKEN": "t0k3n",
}
Make = Callable[..., Integration]


def ground(*allowed: str, **secrets: str) -> Ground:
    reader = SecretReader(SECRETS | secrets)

    def read(setting: str, reference: str) -> Secret:
        return reader.read(setting, reference)

    return Ground(FetchSettings(allow_hosts=allowed), read, CLOCK, os.environ)


def made(type_: str, *allowed: str, secrets: dict[str, str] | None = None, **settings: Any) -> Integration:
    """An integration of this type, as the service makes it."""
    maker = load("integrations")[type_]
    one: Integration = maker("one", IntegrationSettings(type=type_, **settings), ground(*allowed, **(secrets or {})))
    return one


def errand(verb: Verb = Verb.TELL, key: str = "run-1:tell:1", **members: Any) -> Errand:
    given = {
        "integration": "one",
        "time": 1_795_599_716_000_000,
        "title": "A tool changed",
        "text": "The tool files/read_file changed.",
        "incident": "",
        "number": "INC-2026-0001",
        "severity": 4,
        "thread": "INC-2026-0001",
    }
    return Errand(key=key, verb=verb, **(given | members))


@pytest.fixture
def make() -> Make:
    return made
