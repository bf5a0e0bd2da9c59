"""The detections of this estate: ours, and those of its own folder, with what placeholders stand for."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.app.settings import Loaded
from watchkeeper.core.content import content_folder
from watchkeeper.detect.sigma.reading.placeholders import NO_LISTS, Lists, load_placeholders
from watchkeeper.detect.sigma.rules import Detections, load_detections


def detections_of(loaded: Loaded, *more: Path) -> Detections:
    """Rules about single events, and correlations of them, also those of `more` folders.

    Raises `Misconfigured`, naming the file and the fault.
    """
    own = loaded.settings.detect.rules
    folders = [content_folder("detections"), *([Path(own)] if own else []), *more]
    return load_detections(folders, lists_of(loaded))


def lists_of(loaded: Loaded) -> Lists:
    """What `%name%` stands for in rules. Raises `Misconfigured`."""
    folder = loaded.settings.detect.placeholders
    return load_placeholders(Path(folder)) if folder else NO_LISTS
