"""Which concepts a sentence speaks of: `content/inspectors/judge/concepts.yaml`, matched in one pass."""

from __future__ import annotations

import msgspec
import yaml

from watchkeeper.core.content import content_folder
from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.matcher import Matcher, Re2Matcher

FILE = "judge/concepts.yaml"
_SPACE = r"[\t\n\x0b\f\r ]"
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    concepts: dict[str, tuple[str, ...]]


class Concepts:
    """Safe for many threads."""

    def __init__(self, words: dict[str, tuple[str, ...]]) -> None:
        """Raises `Misconfigured` for a pattern that does not compile."""
        self.names = tuple(words)
        # RE2: these patterns take Hyperscan two seconds to compile, for a few microseconds a sentence
        self._matcher: Matcher = Re2Matcher([(_joined(said), True) for said in words.values()])

    @classmethod
    def load(cls) -> Concepts:
        """Those we ship. Raises `Misconfigured`."""
        path = content_folder("inspectors") / FILE
        try:
            tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 — safe
            return cls(msgspec.convert(tree, _File).concepts)
        except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
            raise Misconfigured(f"{path}: {error}", hint="reinstall watchkeeper") from error

    def of(self, text: str) -> list[int]:
        """Positions in `names` of what a `plain` text speaks of, ascending."""
        return self._matcher.hits(text.encode("utf-8", "replace"))


def _joined(patterns: tuple[str, ...]) -> bytes:
    return b"|".join(b"(?:" + as_bytes(pattern) + b")" for pattern in patterns)


def as_bytes(pattern: str) -> bytes:
    """A pattern as it is matched: what `rules.portable` makes of it, without its checks, which the tests make."""
    return _ascii(pattern).replace(r"\s", _SPACE).encode()


def _ascii(pattern: str) -> str:
    """Letters beyond ASCII as the bytes they are matched as."""
    if pattern.isascii():
        return pattern
    return "".join(c if c.isascii() else "(?:" + "".join(f"\\x{b:02x}" for b in c.encode()) + ")" for c in pattern)
