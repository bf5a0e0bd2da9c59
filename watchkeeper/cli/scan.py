"""`watchkeeper scan`: what servers show a model, looked at and judged before anybody uses it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.cases import judged
from watchkeeper.app.scan.answering import Answered, answer_for
from watchkeeper.app.scan.model import Judged, Level, Reason, Report
from watchkeeper.app.scan.rules import about_rules
from watchkeeper.app.scan.run import Asked, ways_of
from watchkeeper.app.scan.run import scan as run_scan
from watchkeeper.app.scan.sarif import sarif, sources_told
from watchkeeper.app.scanning import assessor
from watchkeeper.app.settings import current_operator, data_folder, load
from watchkeeper.app.suppressing import file_of
from watchkeeper.cli import options, output
from watchkeeper.core.text import visible

_FAIL_ON = {"note": Level.NOTE, "suspicious": Level.SUSPICIOUS, "harmful": Level.HARMFUL, "never": None}
_NOTHING = """nothing to scan. Name what you want to know about:
  watchkeeper scan -- npx -y @scope/server      a server that is started, in a sandbox
  watchkeeper scan https://host/mcp             a server at a URL
  watchkeeper scan ~/.cursor/mcp.json           every server of a client's file
  watchkeeper scan tools.json                   the answer to tools/list
  watchkeeper scan --known                      every client's file on this machine"""
_EXCERPT = 70


class _WithCommand(click.Command):
    """What stands behind `--` is a server's command, whatever its words look like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["command"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


@click.command(cls=_WithCommand, short_help="Look at servers and judge what they show, before using them.")
@click.argument("targets", nargs=-1, metavar="[TARGET]... [-- COMMAND...]")
@click.option("--known", is_flag=True, help="Every client's file on this machine that we know.")
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAIL_ON)),
    default="suspicious",
    show_default=True,
    help="From which level on a finding makes the exit code 1.",
)
@click.option("--verbose", "-v", is_flag=True, help="Every definition, and each reason with its place.")
@click.option(
    "--sarif",
    "sarif_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write SARIF 2.1.0, for code scanners.",
)
@click.option("--timeout", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Seconds a server.")
@click.option(
    "--sandbox",
    type=click.Choice(["require", "auto", "off"]),
    default="require",
    show_default=True,
    help="Whether started servers are confined; `auto`: where this host can.",
)
@click.option("--no-network", is_flag=True, help="Keep started servers off the network.")
@click.option("--read", metavar="PATH", multiple=True, help="What started servers may read. Again for more.")
@click.option("--env", metavar="VARIABLE", multiple=True, help="A variable that started servers get. Again for more.")
@click.option("--with-secrets", is_flag=True, help="Give servers the variables and headers their file names.")
@click.option("--bearer", metavar="env:NAME|file:PATH", default="", help="Token for the URLs named here.")
@click.option(
    "--suppressions",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    metavar="FILE",
    help="Suppressions beside those of the settings. Again for more.",
)
@click.option("--suppress", metavar="SERVER/NAME=RULE", default="", help="Write a suppression of what is found.")
@click.option("--reason", default="", help="Why, with --suppress.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long, with --suppress.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where, with --suppress. Default: watchkeeper-suppressions.toml beside the settings.",
)
@click.option(
    "--cases",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE.jsonl[.gz]",
    help="Judge labelled records instead, one JSON line each: for scoring. Labels are not looked at.",
)
@options.config
@options.data
@options.as_json
@options.errors_told
def scan(cases: Path | None, as_json: bool, **chosen: Any) -> None:
    """Look at servers and judge what they show a model, as the gateway would: tools, prompts, resources, instructions.

    TARGET is a URL, a client's configuration file, a file with the answer to tools/list, or a command; a command may
    also stand behind `--`. Servers are started in a sandbox, without your environment; nothing is called.

    Exit codes: 0 nothing found · 1 something found · 2 not everything could be looked at.
    """
    if cases is not None:
        for answer in judged(cases, assessor()):
            output.lines([answer])
        return
    command = click.get_current_context().meta.get("command", ())
    if not (chosen["targets"] or command or chosen["known"]):
        raise click.UsageError(_NOTHING)
    loaded = load(chosen["config"], data_folder(chosen["data"]))
    ways = ways_of(
        env=chosen["env"],
        bearer=chosen["bearer"],
        seconds=chosen["timeout"],
        sandbox=chosen["sandbox"],
        network=not chosen["no_network"],
        secrets=chosen["with_secrets"],
        read=chosen["read"],
    )
    asked = Asked(
        targets=chosen["targets"],
        command=command,
        known=chosen["known"],
        ways=ways,
        suppressions=chosen["suppressions"],
    )
    report = run_scan(asked, loaded, lambda words: output.text(words, err=True))
    if chosen["suppress"]:
        by = current_operator().partition(":")[2]
        answered = Answered(what=chosen["suppress"], reason=chosen["reason"], days=chosen["days"], by=by)
        path = chosen["into"] or file_of(loaded)
        entry = answer_for(report, answered, path)
        output.text(f"{path}: {entry.rule} at {entry.server}/{entry.name} is suppressed until {entry.expires}")
        return
    if chosen["sarif_file"] is not None:
        document = sarif(report, about_rules(), Path.cwd())
        chosen["sarif_file"].write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    code = report.exit_code(_FAIL_ON[chosen["fail_on"]])
    if as_json:
        output.as_json(_tree(report, code))
    else:
        _show(report, verbose=chosen["verbose"])
    sys.exit(code)


def _show(report: Report, *, verbose: bool) -> None:
    found = [one for one in report.judged if verbose or one.reasons]
    rows = [_row(one) for one in sorted(found, key=lambda one: -one.level)]
    if rows:
        headings = ("server", "kind", "name", "verdict", "class", "score", "why")
        output.table(headings, rows, empty="", below=("why",))
    if verbose:
        for one in found:
            _details(one)
    for shown in report.shown:
        _tell_source(report, shown.source.name, shown.failure, shown.hint, shown.source.skipped)
    for words in report.told:
        output.text(f"note: {words}")
    output.text(_summary(report))


def _row(one: Judged) -> tuple[object, ...]:
    speaking = one.speaking
    first = speaking[0] if speaking else one.reasons[0] if one.reasons else None
    verdict = one.level.word if speaking or not one.reasons else "suppressed"
    label = first.label.replace("_", " ") if first else "-"
    return (one.source.name, one.kind, one.name, verdict, label, f"{one.score:.2f}", _why(first))


def _why(reason: Reason | None) -> str:
    if reason is None:
        return ""
    if reason.suppressed:
        return f"suppressed: {reason.suppressed}"
    return visible(reason.excerpt, limit=_EXCERPT) if reason.excerpt else reason.rule


def _details(one: Judged) -> None:
    if not (one.reasons or one.can):
        return
    output.text(f"\n{one.source.name} / {one.kind} {one.name!a}  {one.fingerprint}")
    if one.can:
        output.text(f"  can: {', '.join(one.can)}")
    for reason in one.reasons:
        output.text(f"  {reason.level.word}: {reason.rule} ({reason.label}) at {reason.path or 'the whole'}")
        if reason.excerpt:
            output.text(f"    {reason.excerpt}")
        if reason.suppressed:
            output.text(f"    suppressed: {reason.suppressed}")


def _tell_source(report: Report, name: str, failure: str, hint: str, skipped: str) -> None:
    if skipped:
        output.text(f"{name}: not looked at: {skipped}")
    elif failure:
        output.text(f"{name}: COULD NOT BE LOOKED AT COMPLETELY: {failure}")
        if hint:
            output.text(f"  what to do: {hint}")
    else:
        mine = [one for one in report.judged if one.source.name == name]
        can: dict[str, int] = {}
        for one in mine:
            for label in one.can:
                can[label] = can.get(label, 0) + 1
        able = ", ".join(f"{label.replace('_', ' ')} ({count})" for label, count in sorted(can.items()))
        output.text(f"{name}: {len(mine)} definitions" + (f"; its tools can: {able}" if able else ""))


def _summary(report: Report) -> str:
    counts = {level: sum(one.level is level for one in report.judged) for level in Level}
    parts = [f"{counts[level]} {level.word}" for level in reversed(Level) if counts[level]]
    suppressed = f"; {report.suppressed} findings suppressed" if report.suppressed else ""
    missing = sum(bool(one.failure) for one in report.shown)
    if not report.shown:
        return "no servers were found: name a TARGET, or add a server to a client first"
    if not report.judged:
        return (
            f"nothing was judged: {missing} of {len(report.shown)} sources could not be looked at"
            if missing
            else ("nothing was judged: nothing is shown there")
        )
    whole = f"{len(report.judged)} definitions of {len(report.shown)} sources: {', '.join(parts)}{suppressed}"
    return whole + (f"; {missing} sources COULD NOT be looked at completely" if missing else "")


def _tree(report: Report, code: int) -> dict[str, Any]:
    counts = {level.word: sum(one.level is level for one in report.judged) for level in Level}
    return {
        "complete": report.is_complete,
        "exit_code": code,
        "counts": counts,
        "suppressed": report.suppressed,
        "told": report.told,
        "sources": sources_told(report.shown),
        "definitions": [_judged_tree(one) for one in report.judged],
    }


def _judged_tree(one: Judged) -> dict[str, Any]:
    return {
        "server": one.source.name,
        "kind": one.kind,
        "name": one.name,
        "fingerprint": one.fingerprint,
        "verdict": one.level.word,
        "score": one.score,
        "can": one.can,
        "reasons": [{**msgspec.structs.asdict(reason), "level": reason.level.word} for reason in one.reasons],
    }
