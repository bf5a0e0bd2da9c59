"""Credentials on their way out in arguments, or shown in results: keys, tokens, passwords beside their names.

Examples and placeholders are not findings. No finding carries the secret. The rules are
`content/inspectors/secrets.yaml`, the second look at a match is `inspection.validators`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class Secrets(RuleInspector):
    """Label `secret`."""

    name: ClassVar[str] = "secrets"
