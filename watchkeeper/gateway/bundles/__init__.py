"""Bundles of policies in the control state: which were installed, which is in force, and what this host kept of it.

The form of a bundle and its proof are `policy.bundles`; building an engine from it, and the swap, is the app's.
"""

from watchkeeper.gateway.bundles.book import BundleBook
from watchkeeper.gateway.bundles.kept import keep, kept
from watchkeeper.gateway.bundles.model import Installed, Move, Order

__all__ = ["BundleBook", "Installed", "Move", "Order", "keep", "kept"]
