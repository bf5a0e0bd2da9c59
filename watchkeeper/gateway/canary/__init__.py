"""Looking at a server as somebody else, to find what it shows to some only."""

from watchkeeper.gateway.canary.rounds import Canary, Report

__all__ = ["Canary", "Report"]
