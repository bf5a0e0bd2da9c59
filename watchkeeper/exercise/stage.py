"""Where an exercise plays: its servers, its client, and the file that tells the training server how to behave."""

from __future__ import annotations

from pathlib import Path

CLIENT = "demo-agent"
"""The client of an exercise."""
THIEF = "demo-thief"
"""Another client, which uses what belongs to the first."""
TRAINING = "training"
"""The packaged server that can be made hostile."""
MEMBERS = "training-members"
"""The same server on an estate of its own, for whoever comes with what a person granted."""
SERVERS = frozenset({TRAINING, MEMBERS})
"""Those that are an exercise's alone."""
TOOLS = ("weather", "notes_read", "send_message")
"""The tools of either."""
TIME = "time"
"""An honest packaged server."""


def training_state(data_dir: Path) -> Path:
    """The file by which an exercise tells the training server how to behave: beside the data folder, never in it."""
    return data_dir.parent / f"{data_dir.name}-exercise" / "training.json"
