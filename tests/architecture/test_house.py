"""What a machine keeps of the style guide: storeys, private rooms, pure models, one reader of the environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "watchkeeper"
MODULES = sorted(PACKAGE.rglob("*.py"))

IMPURE = {
    "socket",
    "asyncio",
    "threading",
    "subprocess",
    "sqlite3",
    "sqlalchemy",
    "litestar",
    "httptools",
    "dbos",
    "os",
}
"""What a `model.py`, a pipeline or a policy may not import."""

READS_ENVIRONMENT = {"watchkeeper/app/settings.py"}
"""Where the process's environment enters; everything else is handed what it needs."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.slow
@pytest.mark.behaviour("house.storeys")
def test_imports_descend_and_nothing_is_cyclic() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", MODULES, ids=name_of)
@pytest.mark.behaviour("house.private-rooms")
def test_a_private_module_is_used_by_its_own_package_only(path: Path) -> None:
    strangers = []
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] != "watchkeeper":
            continue
        for at, part in enumerate(parts):
            if not part.startswith("_") or part.startswith("__"):
                continue
            owner = ROOT.joinpath(*parts[:at])
            if owner.is_dir() and owner not in path.parents:
                strangers.append(module)
    assert strangers == []


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name in {"model.py", "pipeline.py"} or p.parent.name == "policy"], ids=name_of
)
@pytest.mark.behaviour("house.pure-models")
def test_models_pipelines_and_policies_do_no_io(path: Path) -> None:
    assert {module.split(".")[0] for module in imports_of(path)} & IMPURE == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
@pytest.mark.behaviour("house.environment")
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if name_of(path) in READS_ENVIRONMENT:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reads = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv", "environb"}
    ]
    assert reads == []
