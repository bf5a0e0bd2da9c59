"""Where the product's data with its tests lies: `content/` in a checkout, `_content` in a wheel."""

from __future__ import annotations

from pathlib import Path

from watchkeeper.core.errors import Misconfigured

_PACKAGE = Path(__file__).resolve().parent.parent


def content_folder(name: str) -> Path:
    """The folder `name` (`detections`, `playbooks`, `policies`, `inspectors`). Raises `Misconfigured`."""
    for base in (_PACKAGE / "_content", _PACKAGE.parent / "content"):
        if (base / name).is_dir():
            return base / name
    raise Misconfigured(f"the content folder {name} is missing", hint="reinstall watchkeeper")
