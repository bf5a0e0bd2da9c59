"""`watchkeeper policy explain`: why a call was decided as it was, or how one would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.lakes import search_in
from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import options, output
from watchkeeper.cli.policies import sets
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.gateway.decisions import DECIDED, MESSAGE, recalled
from watchkeeper.policy import Question, question_of, schema_of
from watchkeeper.policy.analysis.account import NEARLY, SILENT, Account, account
from watchkeeper.policy.analysis.again import Decision
from watchkeeper.policy.cases import read_file
from watchkeeper.policy.model import PINS
from watchkeeper.policy.slices import ACTIONS

_FACTS = ("group", "finding", "label", "flow", "count", "time")


def _facts(command: Any) -> Any:
    for name in reversed(_FACTS):
        option = click.option(f"--{name}", name, multiple=True, help=f"A {name} of the question; may be repeated.")
        command = option(command)
    return command


@click.command()
@click.argument("event_id", required=False, default="")
@click.option("--principal", default="", help="What if: the agent's name.")
@click.option("--server", default="", help="The server.")
@click.option("--tool", "--target", "target", default="", help="The tool; or the prompt or resource.")
@click.option("--action", default="call_tool", show_default=True, type=click.Choice(sorted(ACTIONS)))
@click.option("--arguments", default="", help="JSON, or @FILE with it.")
@click.option("--pin", default="approved", show_default=True, type=click.Choice(PINS))
@_facts
@click.option("--case", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Cases of a *.tests.yaml.")
@click.option("--policies", multiple=True, type=sets.FOLDER, help="By these folders; default: those of the settings.")
@sets.alone
@click.option("--every", is_flag=True, help="Show policies that are far from speaking, too.")
@options.config
@options.data
@options.as_json
@options.errors_told
def explain(
    event_id: str,
    case: Path | None,
    policies: tuple[Path, ...],
    alone: bool,
    every: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
    **what_if: Any,
) -> None:
    """Explain a decision: what was read, which policies spoke, which nearly did, what would change the outcome.

    EVENT_ID names a recorded decision (`watchkeeper events search`); it is explained by the policies of today. Or say
    what if: `--principal`, `--server`, `--tool`, `--arguments`. Or give the cases of a tests file: `--case`.
    """
    of = sets.chosen(policies, config, data, is_alone=alone)
    told: list[dict[str, Any]] = []
    if case is not None:
        for one in read_file(case):
            found = account(of.engine, question_of(one), schema_of(one))
            told.append({"title": one.name, "account": found})
    elif event_id:
        told += _of_event(of.engine, event_id, data)
    else:
        question = _what_if(**what_if)
        schemas = sets.schemas(data)
        found = account(of.engine, question, schemas.get(f"{question.server}/{question.target}"))
        told.append({"title": _title(question), "account": found})
    if as_json:
        output.as_json(told)
        return
    for entry in told:
        output.text(entry["title"])
        if recorded := entry.get("recorded"):
            output.text(f"  recorded: {recorded}")
        _tell(entry["account"], every)


def _of_event(engine: Any, event_id: str, data: Path | None) -> list[dict[str, Any]]:
    folder = data_folder(data)
    require_journal(folder)
    event = search_in(folder).get(event_id)
    if event.kind not in (DECIDED, MESSAGE):
        raise Invalid(
            f"{event_id} is no decision but {event.kind}", hint="events search --kind gateway.request.decided"
        )
    schemas = sets.schemas(data)
    told: list[dict[str, Any]] = []
    for decision in recalled(event):
        if decision.question is None:
            raise NotFound(f"{event_id}: inconclusive: {decision.missing}", hint="newer events keep their questions")
        place = f"{decision.question.server}/{decision.question.target}"
        found = account(engine, decision.question, schemas.get(place), is_whole=decision.is_whole)
        told.append(
            {"title": f"{decision.part}: {_title(decision.question)}", "recorded": _said(decision), "account": found}
        )
    if not told:
        rules = ", ".join(str(rule) for rule in event.body.get("rules", ())) or "no rule"
        raise NotFound(f"{event_id} was decided before policy was asked, by {rules}", hint="events show has the reason")
    return told


def _said(decision: Decision) -> str:
    return f"{decision.effect.value} by {', '.join(decision.rules) or 'no policy'}"


def _title(q: Question) -> str:
    return f"{q.principal or '(nobody)'} · {q.action} · {q.server}{f'/{q.target}' if q.target else ''} · pin {q.pin}"


def _what_if(principal: str, server: str, target: str, action: str, arguments: str, pin: str, **facts: Any) -> Question:
    if not principal or not server:
        raise Invalid("say which decision", hint="an EVENT_ID, or --principal and --server, or --case FILE")
    text = Path(arguments[1:]).read_text(encoding="utf-8") if arguments.startswith("@") else arguments
    try:
        raw = bytes(msgspec.json.decode(text.encode(), type=msgspec.Raw)) if text.strip() else b""
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"--arguments is no JSON: {error}") from error
    return Question(
        principal=principal,
        groups=tuple(sorted(facts["group"])),
        action=action,
        server=server,
        target=target,
        pin=pin,
        arguments=raw,
        findings=tuple(sorted(facts["finding"])),
        labels=tuple(sorted(facts["label"])),
        flow=tuple(sorted(facts["flow"])),
        counts=tuple(sorted(facts["count"])),
        times=tuple(sorted(facts["time"])),
    )


def _tell(found: Account, every: bool) -> None:
    verdict = found.verdict
    if verdict is None:
        output.text(f"  inconclusive: {found.why}")
    else:
        output.text(f"  {verdict.effect.value} by {', '.join(verdict.rules) or 'no policy'}: {verdict.reason}")
        if verdict.would is not None:
            output.text(f"  would be {verdict.would.value}, were {', '.join(verdict.shadowed)} not in shadow mode")
    output.text(f"  read by policies in its way: {', '.join(found.reads) or 'nothing beside the scope'}")
    for one in found.policies:
        if one.state != SILENT or every:
            output.text(f"  {one.state:8} {one.policy} ({one.word}{', shadow' if one.is_shadow else ''}) {one.place}")
            for part in one.unmet:
                output.text(
                    f"             {'only this did not hold' if one.state == NEARLY else 'did not hold'}: {part}"
                )
            if one.note:
                output.text(f"             {one.note}")
    for turn in found.turns:
        output.text(f"  what would change it: {turn}")
