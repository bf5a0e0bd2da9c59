"""Front doors that open room by room say the same to whoever reads them and to the running program."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "watchkeeper"
DOORS = sorted(
    path
    for path in ROOT.rglob("__init__.py")
    if "watchkeeper.core.doors import door" in path.read_text(encoding="utf-8")
)


def package_of(path: Path) -> str:
    return ".".join(path.parent.relative_to(ROOT.parent).parts)


@pytest.mark.parametrize("path", DOORS, ids=package_of)
def test_a_door_opens_the_rooms_that_its_types_name(path: Path) -> None:
    package, tree = package_of(path), ast.parse(path.read_text(encoding="utf-8"))
    module = import_module(package)
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(declared) == set(module.__all__)
    rooms = {child.stem for child in path.parent.iterdir()}
    for name, room in declared.items():
        assert getattr(module, name) is getattr(import_module(str(room)), name)
        assert name not in rooms, "a room of that name would stand in the door's way once it was imported"
    with pytest.raises(AttributeError):
        _ = module.nothing_of_that_name
