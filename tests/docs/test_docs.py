"""Documents say what is so: commands exist, settings load, links lead somewhere, reference pages are fresh."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from watchkeeper.app.settings import Settings
from watchkeeper.cli import main
from watchkeeper.core.settings import fields_of
from watchkeeper.events.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PROSE = [page for page in PAGES if page.parent.name != "reference"]
MAKE = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```([a-z]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands(page: Path) -> list[list[str]]:
    """The words of each `watchkeeper …` and `make …` that the page tells one to type."""
    rows: list[list[str]] = []
    for block in blocks(page, "console"):
        for line in block.splitlines():
            for part in re.split(r"&&|\|", line.removeprefix("$ ").split("  #")[0]):
                words = shlex.split(part.split(">")[0])
                if words[:3] == ["uvx", "--from", "."]:
                    words = words[3:]
                if words and words[0] in {"watchkeeper", "make"}:
                    rows.append(words)
    return rows


@pytest.mark.parametrize("page", PROSE, ids=name_of)
@pytest.mark.behaviour("docs.commands-exist")
def test_each_command_in_a_page_exists(page: Path) -> None:
    for words in commands(page):
        if words[0] == "make":
            assert set(words[1:]) <= set(MAKE), words
            continue
        command: click.Command = main
        rest = words[1 : words.index("--")] if "--" in words else words[1:]  # behind it stands a command of its own
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(click.Context(command), rest[0])
            assert found is not None, words
            command, rest = found, rest[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, words


@pytest.mark.parametrize("page", PROSE, ids=name_of)
@pytest.mark.behaviour("docs.settings-load")
def test_each_settings_example_loads(page: Path) -> None:
    for text in blocks(page, "toml"):
        msgspec.convert(tomllib.loads(text), Settings, strict=True)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.behaviour("docs.links-lead-somewhere")
def test_each_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.behaviour("docs.reference-is-fresh")
def test_the_reference_says_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "reference" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.stale() == []


@pytest.mark.behaviour("docs.settings-are-described")
def test_every_setting_is_described() -> None:
    sections = [
        type(value) for value in msgspec.structs.asdict(Settings()).values() if isinstance(value, msgspec.Struct)
    ]
    bare = [(s.__name__, name) for s in sections for name, description, _ in fields_of(s) if not description]
    assert bare == []


@pytest.mark.behaviour("docs.kinds-are-listed")
def test_every_recorded_kind_is_listed() -> None:
    domains = "|".join(sorted({kind.partition(".")[0] for kind in KINDS}))
    used: set[str] = set()
    for path in (ROOT / "watchkeeper").rglob("*.py"):
        if path.name != "kinds.py":
            text = path.read_text(encoding="utf-8")
            used |= set(re.findall(rf'"((?:{domains})\.[a-z_]+\.[a-z_]+)"', text))
            begun = re.findall(rf'f"((?:{domains})\.[a-z_]+\.){{', text)  # the verb is filled in
            used |= {kind for kind in KINDS if kind.startswith(tuple(begun))}
    assert used - set(KINDS) == set()
    assert set(KINDS) - used == set()


def test_no_page_tells_anyone_to_install_an_unpublished_name() -> None:
    told = [name_of(p) for p in PAGES if re.search(r"pip install watchkeeper|uvx watchkeeper", p.read_text("utf-8"))]
    assert told == []
