from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from watchkeeper.inspection import Finding, Inspection, Surface
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.secrets import Secrets

GITHUB_TOKEN = "ghp" + "_k3Jx9QmT2vLp7RwZ4nYc8BdF1hGs6Ua5Ke0T"
"""Shaped like a token; nobody's."""


@pytest.fixture(scope="session")
def inspection() -> Inspection:
    return Inspection([HiddenInstructions(), Secrets()])


@pytest.fixture
def find(inspection: Inspection) -> Callable[..., tuple[Finding, ...]]:
    def look(value: Any, surface: Surface = Surface.RESULT, *, ascii_only: bool = True) -> tuple[Finding, ...]:
        return inspection.inspect(surface, json.dumps(value, ensure_ascii=ascii_only).encode())

    return look


@pytest.fixture
def token() -> str:
    return GITHUB_TOKEN
