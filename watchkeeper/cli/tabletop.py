"""`watchkeeper exercise tabletop`: people talk an incident through; its course is kept in an incident of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.settings import current_operator, data_folder
from watchkeeper.cli import options, output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.telling import SHORT
from watchkeeper.core.content import content_folder
from watchkeeper.exercise.tabletop import Scenario, load_scenarios, named

P = ParamSpec("P")
R = TypeVar("R")

_scenarios = click.option(
    "--scenarios",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="A folder with scenarios of your own, beside ours.",
)


def _asked(command: Callable[P, R]) -> Callable[P, R]:
    for decorate in (options.as_json, options.data, _scenarios):
        command = decorate(command)
    return options.errors_told(command)


def _read(folder: Path | None) -> dict[str, Scenario]:
    return load_scenarios([content_folder("tabletops"), *([folder] if folder is not None else [])])


def _call(data: Path | None, act: str, **arguments: Any) -> Any:
    return Administration(data_folder(data)).call(f"exercise.tabletop_{act}", **arguments)


@click.group()
def tabletop() -> None:
    """Tabletop exercises: people talk through an incident that unfolds inject by inject; nothing is attacked.

    The facilitator has `show`; the participants see what `next` tells. What they are expected to do becomes tasks of an
    incident labelled exercise; `incidents task done` says that one was met, and `end` makes lessons of the others.
    """


@tabletop.command("list")
@_scenarios
@options.as_json
@options.errors_told
def list_(scenarios: Path | None, as_json: bool) -> None:
    """List the scenarios."""
    found = _read(scenarios)
    if as_json:
        told = ("name", "title", "minutes", "roles", "playbook")
        output.lines([{name: getattr(one, name) for name in told} for one in found.values()])
        return
    rows = [
        [one.name, one.title, f"{one.minutes} min", len(one.injects), one.playbook or "-"] for one in found.values()
    ]
    output.table(["scenario", "what happens", "takes", "injects", "playbook"], rows, empty="None.")


@tabletop.command()
@click.argument("name")
@_scenarios
@options.as_json
@options.errors_told
def show(name: str, scenarios: Path | None, as_json: bool) -> None:
    """Show the facilitator's guide: every inject, what to ask, what a good answer has."""
    scenario = named(_read(scenarios), name)
    if as_json:
        output.as_json(scenario)
    else:
        output.text("\n".join(_guide(scenario)))


@tabletop.command()
@click.argument("name")
@_asked
def begin(name: str, scenarios: Path | None, data: Path | None, as_json: bool) -> None:
    """Begin an exercise: an incident is opened, labelled exercise, that no figure about the estate counts."""
    found = _call(data, "begin", scenario=msgspec.to_builtins(named(_read(scenarios), name)))
    if as_json:
        output.as_json(found)
        return
    number = found["number"]
    output.text(f"begun: {number}\nnext: watchkeeper exercise tabletop next {number}")


@tabletop.command("next")
@asking.incident
@_asked
def next_(incident: str, scenarios: Path | None, data: Path | None, as_json: bool) -> None:
    """Tell the next inject; what is expected of the participants becomes tasks."""
    case = Administration(data_folder(data)).call("incidents.show", incident=incident)
    name = str(case["incident"]["external_id"]).removeprefix("tabletop/").partition("@")[0]
    scenario = named(_read(scenarios), name)
    found = _call(data, "next", incident=incident, scenario=msgspec.to_builtins(scenario))
    if as_json:
        output.as_json(found)
        return
    inject = found["inject"]
    tasks = [f"  {task['id'][-SHORT:]}  {task['title']}" for task in found["tasks"]]
    is_last = found["at"] == found["of"]
    after = f"tabletop end {incident}" if is_last else f"tabletop next {incident}"
    lines = [
        f"Inject {found['at']} of {found['of']} (minute {inject['at']}): {inject['title']}",
        *("", inject["tells"].strip(), "", *(f"  ? {one}" for one in inject["asks"])),
        *("", "For the facilitator: `watchkeeper incidents task done TASK` for each that was met", *tasks),
        *("", f"then: watchkeeper exercise {after}"),
    ]
    output.text("\n".join(lines))


@tabletop.command()
@asking.incident
@click.option("--owner", default="", help="Who sees to what was missed, by name; you without it.")
@click.option("--due", default="14d", show_default=True, help="By when: a time, or a span from now.")
@options.as_json
@options.data
@options.errors_told
def end(incident: str, owner: str, due: str, data: Path | None, as_json: bool) -> None:
    """End an exercise: what was missed becomes lessons with a task each, and the incident is closed as a test."""
    moment = asking.moment(due, ahead=True)
    found = _call(data, "end", incident=incident, owner=owner or current_operator(), due_at=moment)
    if as_json:
        output.as_json(found)
        return
    missed = [f"  missed: {one['title'].partition(': ')[2]}" for one in found["expected"] if not one["done_at"]]
    head = f"{found['number']}: {found['met']} of {len(found['expected'])} expectations were met"
    after = f"the report: watchkeeper incidents report {found['number']}"
    output.text("\n".join([head, *missed, after]))


def _guide(one: Scenario) -> list[str]:
    lines = [f"{one.title} ({one.minutes} minutes)", "", f"at the table: {', '.join(one.roles)}", "to find out:"]
    lines += [f"  - {objective}" for objective in one.objectives]
    lines += [f"playbook: {one.playbook}"] * bool(one.playbook) + [f"modelled on: {one.source}"] * bool(one.source)
    for at, inject in enumerate(one.injects, 1):
        lines += ["", f"{at}. minute {inject.at}: {inject.title}", "", inject.tells.strip(), ""]
        lines += [f"  ? {ask}" for ask in inject.asks] + [f"  + {expected}" for expected in inject.expects]
    return lines
