"""OCSF's own published schema as the judge of what we make: the test-only package holds it, nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from watchkeeper.events.ocsf import VERSION


class Published:
    """The published schema."""

    def __init__(self) -> None:
        self.raw: dict[str, Any] = get_ocsf_schema(version=VERSION)
        self._embedded = OcsfJsonSchemaEmbedded(self.raw)
        self._validator = cache(self._make)

    def name_of(self, class_uid: int) -> str:
        name = self._embedded.lookup_class_name_from_uid(class_uid)
        assert isinstance(name, str)
        return name

    def errors(self, made: dict[str, Any]) -> list[str]:
        """What is wrong with an OCSF event, under the profiles that it says it has."""
        validator = self._validator(made["class_uid"], tuple(made["metadata"]["profiles"]))
        return [f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(made)]

    def _make(self, class_uid: int, profiles: tuple[str, ...]) -> jsonschema_rs.Validator:
        schema = self._embedded.get_class_schema(class_name=self.name_of(class_uid), profiles=list(profiles))
        return jsonschema_rs.validator_for(schema)


@pytest.fixture(scope="session")
def published() -> Published:
    return Published()


@pytest.fixture(scope="session")
def ocsf_errors(published: Published) -> Callable[[dict[str, Any]], list[str]]:
    return published.errors
