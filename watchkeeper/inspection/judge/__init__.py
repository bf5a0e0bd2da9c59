"""The second layer: a small local model for what patterns cannot settle. It weighs; rules and policy act.

Two models, trained here and shipped as data: one of definitions, one of texts (results, messages, arguments). No
network, no vendor. What they were made from, what they find and what they miss: docs/concepts/judge.md.
"""

from watchkeeper.inspection.judge.judge import Judge, Opinion
from watchkeeper.inspection.judge.reading import Peer

__all__ = ["Judge", "Opinion", "Peer"]
