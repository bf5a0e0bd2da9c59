"""`watchkeeper sinks`: where events are sent on to, and how that goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.settings import Loaded, current_operator, data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.core import control
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import socket_path

_NONE = (
    "No sink: events stay here. A section [sinks.NAME] in the settings sends them on, to a SIEM for instance: see "
    "docs/guides/sinks.md."
)
_REPLAY_WITHIN = 600.0
_TEST_WITHIN = 60.0
sink_name = click.argument("name")


@click.group(short_help="Where events are sent on to.")
def sinks() -> None:
    """Sinks: other systems that every event is sent on to, each at its own pace."""


@sinks.command("list")
@options.config
@options.data
@options.as_json
@options.errors_told
def list_(config: Path | None, data: Path | None, as_json: bool) -> None:
    """List the sinks of the settings, and what each of them is sent."""
    rows = [_about(name, sink) for name, sink in load(config, data_folder(data)).settings.sinks.items()]
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["sink", "type", "to", "events", "state"],
        [[r["sink"], r["type"], r["to"], r["events"], "on" if r["enabled"] else "off"] for r in rows],
        empty=_NONE,
        below=("events",),
    )


@sinks.command()
@options.config
@options.data
@options.as_json
@options.errors_told
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say what each sink has sent, what waits for it, what was dropped, and why it fails.

    Exit code 0 if every sink that is switched on is sending or idle, has nothing put aside and dropped nothing; else 1.
    """
    folder = data_folder(data)
    try:
        rows = control.ask(socket_path(folder, WATCH), "sinks.status")
    except control.NoService:
        rows = _at_rest(load(config, folder))
    if as_json:
        output.as_json(rows)
    else:
        output.table(
            ["sink", "state", "sent", "waiting", "oldest", "dropped", "aside", "last sent", "error"],
            [_standing(row) for row in rows],
            empty=_NONE,
            below=("error",),
        )
        for row in rows:
            if row["hint"]:
                output.text(f"  {row['name']}: what to do: {row['hint']}", err=True)
            if row["ocsf"]:
                output.text(f"  {row['name']}: {row['ocsf']}", err=True)
            if row["put_aside"]:
                said = (
                    f"  {row['name']}: {row['put_aside']} events were refused; `watchkeeper sinks replay {row['name']}`"
                )
                output.text(said, err=True)
    sys.exit(0 if all(_is_well(row) for row in rows) else 1)


@sinks.command()
@sink_name
@options.config
@options.data
@options.as_json
@options.errors_told
def test(name: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Send one marked event to the sink NAME, and say what its receiver answered.

    The running watch sends it; where none runs, this command does. Nothing that waits is touched. Exit code 0 if it
    was taken, else 75.
    """
    folder = data_folder(data)
    try:
        asked = {"sink": name, "by": current_operator()}
        tried = control.ask(socket_path(folder, WATCH), "sinks.test", asked, timeout=_TEST_WITHIN)
    except control.NoService:
        from watchkeeper.app.sinks import try_sink  # noqa: PLC0415 — everything that ships, needed here only

        tried = msgspec.to_builtins(try_sink(load(config, folder), name, SystemClock().now()))
    if as_json:
        output.as_json(tried)
    else:
        output.text(f"{name}: {'taken' if tried['taken'] else 'NOT taken'}")
        output.text(f"  the receiver: {tried['said']}")
        output.text(f"  what to do: {tried['next']}")
    sys.exit(0 if tried["taken"] else Unavailable.exit_code)


@sinks.command()
@sink_name
@options.data
@options.as_json
@options.errors_told
def replay(name: str, data: Path | None, as_json: bool) -> None:
    """Send again what the receiver of NAME refused, after the cause was mended; asks the running watch.

    Exit code 0 if nothing lies aside any more, else 75.
    """
    asked = {"sink": name, "by": current_operator()}
    done = control.ask(socket_path(data_folder(data), WATCH), "sinks.replay", asked, timeout=_REPLAY_WITHIN)
    if as_json:
        output.as_json(done)
    else:
        gone = f", {done['gone']} are not in the journal any more" if done["gone"] else ""
        output.text(f"{name}: {done['sent']} sent, {done['refused']} refused again{gone}")
        if done["why"]:
            output.text(f"  the receiver: {done['why']}")
    sys.exit(Unavailable.exit_code if done["why"] or done["refused"] else 0)


def _about(name: str, sink: Any) -> dict[str, Any]:
    only = [
        *sink.kinds,
        *(f"not {kind}" for kind in sink.exclude_kinds),
        *([f"{sink.severity} and above"] if sink.severity != "informational" else []),
        *(f"tenant {tenant}" for tenant in sink.tenants),
        *(f"label {label}" for label in sink.labels),
        *(f"not label {label}" for label in sink.exclude_labels),
    ]
    to = sink.url or (f"{sink.transport}://{sink.address}" if sink.address else sink.path)
    return {"sink": name, "type": sink.type, "to": to, "events": ", ".join(only) or "all", "enabled": sink.enabled}


def _at_rest(loaded: Loaded) -> list[dict[str, Any]]:
    if not loaded.settings.sinks:
        return []
    from watchkeeper.app.sinks import at_rest  # noqa: PLC0415 — everything that ships, needed here only

    return [msgspec.to_builtins(at_rest(loaded, name)) for name in loaded.settings.sinks]


def _is_well(row: dict[str, Any]) -> bool:
    return row["state"] in ("sending", "idle") and not row["put_aside"] and not row["tally"].get("dropped")


def _standing(row: dict[str, Any]) -> list[object]:
    dropped = ", ".join(f"{count} {reason}" for reason, count in row["tally"].get("dropped", {}).items())
    oldest = row["oldest_seconds"]
    return [
        row["name"],
        row["state"],
        row["tally"]["sent"],
        "not known" if row["waiting"] is None else row["waiting"],
        "-" if not oldest else f"{oldest:.0f} s",
        dropped or "0",
        row["put_aside"],
        output.moment(row["last_sent_at"]),
        row["error"] or "-",
    ]
