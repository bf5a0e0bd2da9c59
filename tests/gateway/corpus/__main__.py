"""Prints the table of docs/concepts/hardening.md."""

from __future__ import annotations

from tests.gateway.corpus import summary

print(summary.table())
