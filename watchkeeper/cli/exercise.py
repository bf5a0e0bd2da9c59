"""`watchkeeper exercise`: attacks that are really run, and what detection said of each."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from watchkeeper.cli import options, output
from watchkeeper.cli.tabletop import tabletop
from watchkeeper.core.errors import Conflict

if TYPE_CHECKING:
    from watchkeeper.app.attacking import Attacked
    from watchkeeper.exercise.attacks.model import Outcome
    from watchkeeper.exercise.incidents.model import Scripted
    from watchkeeper.exercise.model import Report, Step


@click.group(short_help="Attacks that are really run, to see what is detected.")
def exercise() -> None:
    """Exercises: run attacks through the real gateway, and see which rules speak of them."""


exercise.add_command(tabletop)


@exercise.command("list")
@options.as_json
@options.errors_told
def list_(as_json: bool) -> None:
    """List every attack with the techniques that it is an example of."""
    from watchkeeper.exercise.attacks.catalogue import ATTACKS  # noqa: PLC0415 — the MCP SDK

    if as_json:
        told = ("name", "title", "techniques", "expected")
        output.lines([{name: getattr(attack, name) for name in told} for attack in ATTACKS])
        return
    rows = [[attack.name, attack.title, " ".join(attack.techniques)] for attack in ATTACKS]
    output.table(["attack", "what is done", "techniques"], rows, empty="There is none.", below=("techniques",))


@exercise.command()
@click.argument("names", nargs=-1, metavar="[ATTACK]…")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The data folder. Default: a temporary one.",
)
@options.as_json
@options.errors_told
def run(names: tuple[str, ...], data: Path | None, as_json: bool) -> None:
    """Run attacks against real MCP servers through the gateway, and wait for the alerts.

    Without a name, all of them. Everything is harmless and labelled as exercise. Without --data, on a temporary folder
    that is removed; with --data, on that folder, and its coverage counts them (`watchkeeper rules coverage`). They go
    through the gateway that `watchkeeper up --demo` runs there, or, when none runs, through one that is started for it.
    Its incidents are closed and its orders lifted, and those of the demo, which would be in its way.

    Exit code 0 if every attack that has to be detected was, else 1.
    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="watchkeeper-exercise-") as folder:
            outcomes = _run(Path(folder, "data"), names, as_json=as_json)
    else:
        outcomes = _run(data.absolute(), names, as_json=as_json)
    missed = [one for one in outcomes if one.failed or (one.expected and not one.is_detected)]
    sys.exit(1 if missed else 0)


@exercise.command()
@click.argument("name", required=False, default="")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The data folder. Default: a temporary one.",
)
@options.as_json
@options.errors_told
def incident(name: str, data: Path | None, as_json: bool) -> None:
    """Play the scripted incident of a playbook, from what gets through to the end of the run.

    Without NAME, list them. A real client does through the gateway what no policy stops;
    then the playbook has to contain it, probes have to prove it, what cannot be undone has to wait, and another
    operator decides. At the end its orders are lifted and its incident is closed.

    With --data, on the estate that `watchkeeper up --demo` runs there, or, when none runs, on one that is started for
    it; `gateway_down` stops its gateway for some seconds. Those that need careless policies, or harm the estate, are
    played without --data only.

    Exit code 0 only if every expected step was seen, else 1.
    """
    from watchkeeper.exercise.incidents.script import INCIDENTS, named  # noqa: PLC0415 — the MCP SDK

    if not name:
        rows = [
            {"name": one.name, "playbook": one.book, "title": one.title, "ends": one.state, "alone": one.is_alone}
            for one in INCIDENTS
        ]
        if as_json:
            output.lines(rows)
        else:
            shown = [[row["name"], row["playbook"], row["title"], row["ends"]] for row in rows]
            output.table(["incident", "playbook", "what happens", "ends"], shown, empty="None.")
        return
    script = named(name)
    if data is None:
        with tempfile.TemporaryDirectory(prefix="watchkeeper-exercise-") as folder:
            report = _play_alone(Path(folder), script, as_json=as_json)
    elif script.is_alone:
        raise Conflict(f"{name} is played on an estate of its own", hint="leave --data out")
    else:
        report = _play(data, script, as_json=as_json)
    if as_json:
        output.as_json({"steps": report.steps, "passed": report.passed})
    sys.exit(0 if report.passed else 1)


def _play(folder: Path, script: Scripted, *, as_json: bool) -> Report:
    from watchkeeper.app.attacking import stage_of  # noqa: PLC0415 — help must not wait for the gateway
    from watchkeeper.app.rehearsing import rehearse  # noqa: PLC0415 — the same
    from watchkeeper.app.settings import load  # noqa: PLC0415 — the same
    from watchkeeper.app.up import Up  # noqa: PLC0415 — the same

    told = (lambda _: None) if as_json else tell_step
    running = stage_of(folder)
    if running is not None:
        return rehearse(folder, running, [script], told)[script.name]
    _say_starting(as_json=as_json)
    with Up(load(None, folder, free_ports=True), demo=True, told=lambda _: None) as up:
        return rehearse(folder, up.urls, [script], told)[script.name]


def _play_alone(folder: Path, script: Scripted, *, as_json: bool) -> Report:
    from watchkeeper.app.rehearsing import Own, rehearse  # noqa: PLC0415 — help must not wait for the gateway
    from watchkeeper.app.staging import staged  # noqa: PLC0415 — the same
    from watchkeeper.app.up import Up  # noqa: PLC0415 — the same

    told = (lambda _: None) if as_json else tell_step
    _say_starting(as_json=as_json)
    with staged(folder) as stage, Up(stage.loaded, demo=True, told=lambda _: None) as up:
        return rehearse(stage.loaded.data_dir, up.urls, [script], told, Own(up, stage))[script.name]


def _say_starting(*, as_json: bool) -> None:
    if not as_json:
        output.text("Starting the gateway, the watch and the console on loopback …\n")


def tell_step(step: Step) -> None:
    """What became of one step, as it ends."""
    output.text(f"  {'✓' if step.seen else '✗ NOT SEEN'} {step.ms:8.0f} ms  {step.title}")
    output.text(f"                 {step.detail}")


def _run(folder: Path, names: tuple[str, ...], *, as_json: bool) -> list[Outcome]:
    from watchkeeper.app.attacking import attack, stage_of  # noqa: PLC0415 — help must not wait for the gateway
    from watchkeeper.app.settings import load  # noqa: PLC0415 — the same
    from watchkeeper.app.up import Up  # noqa: PLC0415 — the same
    from watchkeeper.exercise.attacks.catalogue import chosen  # noqa: PLC0415 — the same

    chosen(names)  # a name that does not exist is told before anything starts
    told = (lambda _: None) if as_json else tell
    running = stage_of(folder)
    if not as_json:
        where = (
            "Starting the gateway, the watch and the console on loopback" if running is None else f"Attacking {folder}"
        )
        output.text(f"{where} …\n")
    if running is not None:
        done = attack(folder, running, names, told)
    else:
        with Up(load(None, folder, free_ports=True), demo=True, told=lambda _: None) as up:
            done = attack(folder, up.urls, names, told)
    if as_json:
        output.as_json({"attacks": [_row(outcome) for outcome in done.outcomes], "cleared": done.cleared})
    else:
        _sum_up(done)
    return done.outcomes


def tell(outcome: Outcome) -> None:
    """What became of one attack, as it ends."""
    if outcome.failed:
        output.text(f"  COULD NOT RUN  {outcome.name}: {outcome.failed}")
        return
    mark = "✓ detected    " if outcome.is_detected else "✗ NOT DETECTED"
    stopped = "stopped" if outcome.stopped else "passed "
    output.text(f"  {mark} {stopped} {outcome.name:22} {outcome.title}")
    for spoke in outcome.detected:
        output.text(f"                    {spoke.ms:6.0f} ms  {spoke.name}")


def _sum_up(done: Attacked) -> None:
    outcomes, cleared = done.outcomes, done.cleared
    ran = [outcome for outcome in outcomes if not outcome.failed]
    detected = sum(outcome.is_detected for outcome in ran)
    stopped = sum(outcome.stopped for outcome in ran)
    output.text(f"\n{len(ran)} of {len(outcomes)} attacks were run; {detected} were detected, {stopped} were stopped.")
    if detected < len(ran):
        output.text(f"Not detected: {', '.join(outcome.name for outcome in ran if not outcome.is_detected)}")
    output.text(
        f"Incidents labelled exercise that were closed: {cleared.incidents}; orders that were lifted: {cleared.orders}."
    )


def _row(outcome: Outcome) -> dict[str, Any]:
    return {**msgspec.to_builtins(outcome), "is_detected": outcome.is_detected}
