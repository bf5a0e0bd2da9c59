"""`watchkeeper`, which kills itself at one step of one ending: the first argument is STEP:KEY."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from watchkeeper.cli import main
from watchkeeper.gateway.custody.ledger import Deed, Ledger, Part

STEPS = ("begun", "ended", "noted", "recorded", "told")
"""After the note of what is meant, after the effect, after its note, after the fact, after the note of that."""


def kill_at(step: str, key: str) -> None:
    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def around(name: str, before: Callable[..., None] | None, after: Callable[..., None] | None) -> None:
        own = getattr(Ledger, name)

        def changed(self: Ledger, deed: Deed, *arguments: Any) -> Any:
            is_meant = deed.asked.key == key
            if before is not None and is_meant:
                before()
            found = own(self, deed, *arguments)
            if after is not None and is_meant and (not isinstance(found, Part) or found.state == "fresh"):
                after()
            return found

        setattr(Ledger, name, changed)

    if step == "begun":
        around("begin", None, die)
    elif step in ("ended", "noted"):
        around("done", die if step == "ended" else None, die if step == "noted" else None)
    elif step in ("recorded", "told"):
        around("told", die if step == "recorded" else None, die if step == "told" else None)


if __name__ == "__main__":
    kill_at(*sys.argv.pop(1).split(":"))
    main()
