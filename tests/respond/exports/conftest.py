"""OCSF's published schema, as the tests of its mapping have it."""

from tests.events.ocsf.conftest import ocsf_errors, published

__all__ = ["ocsf_errors", "published"]
