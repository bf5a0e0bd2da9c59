"""Texts that hide in a text: encoded, enciphered, misspelt on purpose, or invisible. `hidden_in` finds and reads them.

It decodes, and judges only whether something readable came out; whether that is an attack is for rules and the judge.
Everything is bounded: input, layers, and how many texts are found.
"""

from watchkeeper.inspection.decodings.hidden import hidden_in
from watchkeeper.inspection.decodings.model import Hidden

__all__ = ["Hidden", "hidden_in"]
