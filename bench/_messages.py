"""The call and the answer that the benchmarks of the gateway send, in the sizes and with the words they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

WORDS = "The quick brown fox jumps over the lazy dog and reports what it saw to nobody in particular. "
HITS = "The password and the credentials are kept elsewhere, and the secret is that there is no token. "
"""Words that patterns look for in sentences that mean no harm."""


def padded(make: Callable[[str], bytes], size: int, words: str = WORDS) -> bytes:
    """The largest message that `make` gives of a text and that is not beyond `size` bytes."""
    text = (words * (size // len(words) + 1))[: size - len(make(""))]
    return make(text)


def call(size: int = 2048, words: str = WORDS, *, number: int = 0, tool: str = "echo") -> bytes:
    """A `tools/call` of the modern era; `number` makes its arguments its own without changing its length."""

    def make(text: str) -> bytes:
        params: dict[str, Any] = {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
            "name": tool,
            "arguments": {"text": text, "count": f"{number:08d}", "tags": ["a", "b"]},
        }
        return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

    return padded(make, size, words)


def answer(size: int = 2048, words: str = WORDS) -> bytes:
    """The result of that call."""

    def make(text: str) -> bytes:
        result = {"resultType": "complete", "content": [{"type": "text", "text": text}], "isError": False}
        return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "result": result})

    return padded(make, size, words)


CALL = call()
RESULT = answer()
