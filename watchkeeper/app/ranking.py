"""What each detection rule may do in this estate, wired: the register, the acts, and the silence before admission."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchkeeper.app.settings import Loaded
from watchkeeper.core.errors import NotFound
from watchkeeper.detect.interface import Admission
from watchkeeper.detect.model import Heading, Rule
from watchkeeper.detect.proving.register import Register
from watchkeeper.detect.proving.silence import Ranks, Silence
from watchkeeper.events import Severity

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


def own_folder(loaded: Loaded) -> Path | None:
    """Where the estate's own rules lie."""
    return Path(loaded.settings.detect.rules) if loaded.settings.detect.rules else None


def register_of(platform: Platform) -> Register:
    """On this platform's control state."""
    return Register(platform.database, platform.journal, platform.clock)


def silenced(admission: Admission, loaded: Loaded, platform: Platform, rules: tuple[Rule, ...]) -> Admission:
    """The admission, behind what each rule may do."""
    return Silence(admission, Ranks(register_of(platform).all, own_folder(loaded), rules))


class Ranking:
    """The acts. Whoever asks has loaded the rule: what it is comes with the question."""

    def __init__(self, platform: Platform) -> None:
        self._register = register_of(platform)
        self.acts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "rules.decided": self.decided,
            "rules.enable": self.enable,
            "rules.disable": self.disable,
            "rules.simulated": self.simulated,
        }

    def decided(self, _: dict[str, Any]) -> Any:
        return list(self._register.all().values())

    def enable(self, asked: dict[str, Any]) -> Any:
        rule = _heading(asked)
        passes, anyway = bool(asked["passes"]), bool(asked.get("anyway"))
        return self._register.enable(rule, asked["by"], asked["reason"], passes=passes, anyway=anyway)

    def disable(self, asked: dict[str, Any]) -> Any:
        return self._register.disable(_heading(asked), asked["by"], asked["reason"])

    def simulated(self, asked: dict[str, Any]) -> Any:
        rule = _heading(asked)
        return self._register.note_simulated(rule, asked["by"], asked["days"], asked["wakes"], asked["matches"])


def _heading(asked: dict[str, Any]) -> Heading:
    said = {name: str(asked[name]) for name in ("rule", "name", "title", "version")}
    if not all(said.values()):
        raise NotFound("that names no rule", hint="see `watchkeeper rules list`")
    return Heading(id=said["rule"], name=said["name"], title=said["title"], level=Severity.LOW, version=said["version"])
