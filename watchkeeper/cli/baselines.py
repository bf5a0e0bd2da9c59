"""`watchkeeper baselines`: what is usual for principals, servers and tools, and what an operator does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.cli import options, output
from watchkeeper.cli.rules.given import settings_of
from watchkeeper.core.clock import to_iso

_EMPTY = "Nobody's calls were seen yet. Baselines learn from what passes the gateway: `watchkeeper up`, or `demo`."


@click.group()
def baselines() -> None:
    """What is usual of each principal, server and tool.

    A baseline speaks once it has seen enough for long enough: what it expected, what it saw, on what ground.
    """


@baselines.command("list")
@click.argument("baseline", default="")
@options.config
@options.data
@options.as_json
@options.errors_told
def list_all(baseline: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the baselines, or whose calls BASELINE (a name or an id) has learned from."""
    told = _call(config, data, "baselines.list", baseline=baseline)
    if as_json:
        output.as_json(told)
    elif not baseline:
        rows = [
            (one["name"], one["level"], one["subjects"], "learns nothing" if one["frozen"] else "", one["title"])
            for one in told["baselines"]
        ]
        output.table(
            ("baseline", "level", "subjects", "frozen", "what it says"), rows, empty="", below=("what it says",)
        )
        if not told["subjects"]:
            output.text(_EMPTY)
    else:
        rows = [
            (
                " ".join(one["subject"].values()),
                one["state"],
                one["observations"],
                _day(one["since"]),
                _day(one["last"]),
            )
            for one in told["subjects"]
        ]
        output.table(("subject", "state", "calls", "since", "last"), rows, empty=_EMPTY)


@baselines.command("show")
@click.argument("baseline")
@click.argument("subject", nargs=-1, required=True)
@options.config
@options.data
@options.as_json
@options.errors_told
def show(baseline: str, subject: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show everything that BASELINE knows of SUBJECT, e.g. `show principal_new_tool agent:laptop`."""
    told = _call(config, data, "baselines.show", baseline=baseline, subject=subject)
    if as_json:
        output.as_json(told)
        return
    _head(told)
    for name, value in told["known"].items():
        output.text(f"{name.replace('_', ' ')}: {_value(value)}")


@baselines.command("explain")
@click.argument("baseline")
@click.argument("subject", nargs=-1, required=True)
@options.config
@options.data
@options.as_json
@options.errors_told
def explain(baseline: str, subject: tuple[str, ...], config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say what BASELINE expects of SUBJECT now, and from where on it would speak."""
    told = _call(config, data, "baselines.show", baseline=baseline, subject=subject)
    if as_json:
        output.as_json({name: told[name] for name in ("baseline", "subject", "state", "observations", "since", "says")})
        return
    _head(told)
    output.text(told["says"])


def _order(name: str, act: str, done: str, help_text: str, *, for_all: str) -> None:
    @baselines.command(name, help=help_text)
    @click.argument("baseline")
    @click.argument("subject", nargs=-1)
    @click.option("--all", "everybody", is_flag=True, help=for_all)
    @click.option("--reason", required=True, help="Why; goes into the journal.")
    @options.config
    @options.data
    @options.as_json
    @options.errors_told
    def command(
        baseline: str,
        subject: tuple[str, ...],
        everybody: bool,
        reason: str,
        config: Path | None,
        data: Path | None,
        as_json: bool,
    ) -> None:
        if bool(subject) == everybody:
            raise click.UsageError("name a subject, or say --all")
        told = _call(config, data, act, baseline=baseline, subject=subject, reason=reason)
        if as_json:
            output.as_json(told)
        else:
            whose = " ".join(subject) if subject else "everybody"
            output.text(f"{done} {told['baseline']} of {whose}; the watch does it when it comes by the record")


_order(
    "freeze",
    "baselines.freeze",
    "froze",
    "Let BASELINE learn no more of SUBJECT; it still speaks.",
    for_all="Of nobody, until it is thawed with --all.",
)
_order(
    "thaw",
    "baselines.thaw",
    "thawed",
    "Let BASELINE learn again of SUBJECT.",
    for_all="What was frozen with --all; subjects that were frozen one by one stay frozen.",
)
_order(
    "forget",
    "baselines.forget",
    "forgot",
    "Let BASELINE begin anew with SUBJECT: it says nothing of it until it has learned again.",
    for_all="Of everybody.",
)


def _call(config: Path | None, data: Path | None, act: str, **said: Any) -> Any:
    loaded = settings_of(config, data)
    said = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    return Administration(loaded.data_dir).call(act, folder=loaded.settings.detect.baselines, **said)


def _head(told: dict[str, Any]) -> None:
    whose = " ".join(told["subject"].values())
    output.text(f"{told['baseline']} of {whose}: {told['state']}")
    output.text(f"{told['observations']} calls from {_day(told['since'])} to {_day(told['last'])}")


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "none"
    return str(value)


def _day(time: int) -> str:
    return to_iso(time)[:10]
