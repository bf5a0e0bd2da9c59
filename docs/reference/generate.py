"""Writes docs/reference from the code: settings, commands, events, the protocol's lines, detection rules. `make
reference` runs it.

With `--check`, writes nothing and fails when a page is stale.
"""

from __future__ import annotations

import inspect
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import msgspec
import yaml

from watchkeeper.app.settings import Settings
from watchkeeper.cli import main
from watchkeeper.core.settings import fields_of
from watchkeeper.events.catalogue import ENTRIES, example_of
from watchkeeper.events.catalogue.fields import lines_of
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf import meanings_of
from watchkeeper.events.retention import retention_class

HERE = Path(__file__).parent
RULES = HERE.parents[1] / "content"
LINES = HERE.parents[1] / "tests" / "behaviours" / "protocol_lines.toml"
SECTIONS = {
    "A": "Two eras on one port",
    "B": "One meaning for each message",
    "C": "Transparency",
    "D": "Streams, cancellation, time",
    "E": "Sessions, state and caches",
    "F": "What is inspected",
    "G": "Refusing properly",
    "H": "Authorization and exposure",
    "I": "Telemetry",
}
NOTE = "<!-- written by docs/reference/generate.py; change the code, then run `make reference` -->\n"


def settings_page() -> str:
    parts = [
        NOTE,
        "# Settings\n",
        "A TOML file (`--config`, `$WATCHKEEPER_CONFIG`, or `watchkeeper.toml` in the data folder), overridden by",
        "`WATCHKEEPER_<SECTION>_<FIELD>` in the environment. `watchkeeper config check` reads it,",
        "`watchkeeper config show` prints what is in force. An unknown key is an error.\n",
        "`$WATCHKEEPER_DATA` names the data folder where `--data` does not.\n",
    ]
    for name, annotation in get_type_hints(Settings).items():
        model = next(
            m for m in (annotation, *get_args(annotation)) if isinstance(m, type) and issubclass(m, msgspec.Struct)
        )
        heading = f"[{name}]" if model is annotation else f"[{name}.NAME]"
        parts += [f"## `{heading}`\n", f"{inspect.cleandoc(model.__doc__ or '').splitlines()[0]}\n"]
        parts += ["| setting | default | meaning |", "|---|---|---|"]
        parts += [*_fields(model), ""]
        for field, inner in get_type_hints(model).items():
            named = next((m for m in get_args(inner) if isinstance(m, type) and issubclass(m, msgspec.Struct)), None)
            if named is not None or (isinstance(inner, type) and issubclass(inner, msgspec.Struct)):
                parts += [
                    f"## `{heading[:-1]}.{field}{'.NAME' if named else ''}]`\n",
                    f"{inspect.cleandoc((named or inner).__doc__ or '').splitlines()[0]}\n",
                ]
                parts += ["| setting | default | meaning |", "|---|---|---|", *_fields(named or inner), ""]
    return "\n".join(parts)


def _fields(model: type[msgspec.Struct]) -> list[str]:
    return [
        f"| `{field}` | {_default(default)} | {description.replace('|', '&#124;')} |"
        for field, description, default in fields_of(model)
        if not isinstance(default, msgspec.Struct)
    ]


def _default(value: object) -> str:
    if value is msgspec.NODEFAULT:
        return "required"
    return f"`{msgspec.json.encode(value).decode()}`"


def events_page() -> str:
    parts = [
        NOTE,
        "# Events\n",
        "Every kind of event in the journal: what its body holds, an example as it is recorded, how long it is kept",
        "(by its class of retention), and the class of OCSF that it goes out as. `watchkeeper events kinds KIND` shows",
        "the same, with `--json` as a JSON Schema. Beside the members named here every event has `v`, `id`, `time` and",
        "`kind`, and may have `tenant`, `severity` and the label `exercise`.",
        "[The events](../concepts/events.md) explains them.\n",
        "| kind | meaning | kept as | OCSF class |",
        "|---|---|---|---|",
        *(
            f"| [`{kind}`](#{kind.replace('.', '')}) | {meaning} | {retention_class(kind).value} | {_ocsf(kind)} |"
            for kind, meaning in sorted(KINDS.items())
        ),
        "",
    ]
    for kind in sorted(KINDS):
        parts += _kind(kind)
    return "\n".join(parts)


def _kind(kind: str) -> list[str]:
    entry, lines = ENTRIES[kind], lines_of(kind)
    activities = " or ".join(
        f"{meaning.of.name} ({meaning.of.uid}), {meaning.activity_name}" for meaning in meanings_of(kind)
    )
    parts = [
        f"## `{kind}`\n",
        f"{KINDS[kind]}\n",
        f"- Kept as: {retention_class(kind).value}. OCSF: {activities}.",
        f"- Always sets: {_names(entry.sets)}. May set: {_names(entry.may)}.",
    ]
    if entry.outcomes:
        parts.append(f"- Outcomes: {_names(entry.outcomes)}.")
    if entry.labels:
        parts.append(f"- Labels: {_names(entry.labels)}.")
    if entry.open:
        parts.append(f"- Its body may have other members: {entry.open}.")
    if lines:
        parts += ["", "| body | type | always | meaning |", "|---|---|---|---|"]
        parts += [
            f"| `{line.path}` | {line.type} | {'yes' if line.is_required else 'no'} | {line.sentence} |"
            for line in lines
        ]
    example = msgspec.json.format(msgspec.json.encode(example_of(kind)), indent=2).decode()
    return [*parts, "", "```json", example, "```\n"]


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _ocsf(kind: str) -> str:
    return ", ".join(f"{meaning.of.name} {meaning.of.uid}" for meaning in meanings_of(kind))


def commands_page() -> str:
    parts = [NOTE, "# Commands\n", *_command(main, "watchkeeper")]
    return "\n".join(parts)


def _command(command: click.Command, path: str) -> list[str]:
    names = main.context_settings["help_option_names"]  # as on the command line, where every command inherits them
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100, help_option_names=names)
    level = "#" * min(4, path.count(" ") + 2)
    parts = [f"{level} `{path}`\n", "```text", command.get_help(context).rstrip(), "```\n"]
    if isinstance(command, click.Group):
        for name in sorted(command.list_commands(context)):
            inner = command.get_command(context, name)
            assert inner is not None
            parts += _command(inner, f"{path} {name}")
    return parts


def protocol_page() -> str:
    lines = tomllib.loads(LINES.read_text(encoding="utf-8"))["line"]
    parts = [
        NOTE,
        "# What MCP asks of a gateway, and how Watchkeeper keeps it\n",
        "A gateway is a server towards agents and a client towards servers, and has the duties of both. This is our",
        "own summary of them, from the revisions 2024-11-05 to 2026-07-28 of the specification, its Tasks extension,",
        "its pages on authorization and on security, and from what an inspecting hop must do beyond them. Behind each",
        "line stand the behaviours that keep it; each has a test of that name (`tests/behaviours/`).\n",
    ]
    for section, heading in SECTIONS.items():
        parts += [f"## {heading}\n", "| line | era | asked | kept | behaviours |", "|---|---|---|---|---|"]
        parts += [_line(line) for line in lines if line["id"][0] == section]
        parts.append("")
    return "\n".join(parts)


def _line(line: dict[str, Any]) -> str:
    kept = line.get("met") or f"Not here: {line['left']}"
    behaviours = ", ".join(f"`{name}`" for name in line.get("behaviours", [])) or "none"
    return f"| {line['id']} | {line['era']} | {line['asks']} ({line['source']}) | {kept} | {behaviours} |"


def detections_page() -> str:
    parts = [
        NOTE,
        "# Detection rules\n",
        "The rules that come with Watchkeeper, by folder of `content`: tactics of SAFE-MCP, and `record`, on",
        "the product's own record. `foreign` is for others' records. Each file holds what the rule cannot see,",
        "when it errs, and its tests.",
        "[Detection](../concepts/detection.md) explains them.\n",
    ]
    for folder, rules in _rules_by_folder().items():
        parts += [
            f"## `{folder}`\n",
            "| rule | level | SAFE-MCP | what it says | first step |",
            "|---|---|---|---|---|",
        ]
        parts += [*map(_rule, rules), ""]
    return "\n".join(parts)


def _rules_by_folder() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted([*RULES.glob("detections/*/*.yml"), *RULES.glob("foreign/*.yml")]):
        rule = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 — a safe loader, in C where it is built
        found.setdefault(str(path.parent.relative_to(RULES)), []).append(rule)
    return found


def _rule(rule: dict[str, Any]) -> str:
    techniques = ", ".join(tag.rpartition(".")[2].upper() for tag in rule["tags"] if tag.startswith("safe-mcp."))
    response = rule["watchkeeper"].get("response", "").strip()
    cells = (f"`{rule['name']}`", rule["level"], techniques, rule["title"], response)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PAGES = {
    "settings.md": settings_page,
    "events.md": events_page,
    "commands.md": commands_page,
    "protocol.md": protocol_page,
    "detections.md": detections_page,
}


def stale() -> list[str]:
    """The pages that differ from what the code says."""
    return [
        name
        for name, write in PAGES.items()
        if not (HERE / name).is_file() or (HERE / name).read_text(encoding="utf-8") != write()
    ]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(stale())}; run `make reference`" if stale() else 0)
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8")
