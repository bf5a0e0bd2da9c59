"""Where a foreign event comes from, as far as it can be told. No I/O."""

from __future__ import annotations

import msgspec

from watchkeeper.detect.sigma.model import LogSource


class Origin(msgspec.Struct, frozen=True):
    """The log sources that an event can be of, in Sigma's words. Few of them exist, so that it can be a key."""

    product: str = ""
    """Empty: unknown."""
    categories: frozenset[str] | None = None
    """`None`: unknown. None of them: surely none that Sigma knows."""
    services: frozenset[str] | None = None

    def admits(self, rule: LogSource, known: Known) -> bool:
        """Whether a rule of this log source may speak of such an event: nothing that both say contradicts.

        A word of the rule that this product's tables do not know contradicts nothing.
        """
        if rule.product and self.product and rule.product != self.product:
            return False
        return _agrees(rule.category, self.categories, known.categories) and _agrees(
            rule.service, self.services, known.services
        )


class Known(msgspec.Struct, frozen=True):
    """The words that are told apart for a product."""

    categories: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


def _agrees(word: str, its: frozenset[str] | None, known: frozenset[str]) -> bool:
    return not word or its is None or word in its or word not in known
