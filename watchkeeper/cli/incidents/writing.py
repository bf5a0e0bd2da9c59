"""Writing down: notes, tasks, lessons with what follows from them, links, hours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from watchkeeper.app.settings import current_operator
from watchkeeper.cli import output
from watchkeeper.cli.incidents import asking
from watchkeeper.cli.incidents.asking import asked, call, done
from watchkeeper.cli.incidents.telling import SHORT

LINKS = ("alert", "server", "principal", "tool", "fingerprint", "advisory", "hunt", "incident", "ticket")
_due = click.option("--due", default="", help="By when: a time, or a span from now such as 3d.")


@click.command()
@asking.incident
@click.argument("text")
@click.option("--corrects", default="", metavar="NOTE", help="The id of a note that this one corrects; both stay.")
@asked
def note(incident: str, text: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Write a note. Notes are never changed."""
    as_json = rest.pop("as_json")
    found = call("note", data, token_file, incident=incident, text=text, **rest)
    done(found, as_json, f"note {found['id']}")


@click.group()
def task() -> None:
    """Tasks of incidents: who is to do what by when. A TASK may be cut to the last characters of its id."""


@task.command("add")
@asking.incident
@click.argument("title")
@click.option("--to", default="", help="Who is to do it, by name.")
@_due
@asked
def add_task(
    incident: str, title: str, to: str, due: str, data: Path | None, token_file: Path | None, **rest: Any
) -> None:
    """Give a task."""
    moment = asking.moment(due, ahead=True)
    found = call("add_task", data, token_file, incident=incident, title=title, assignee=to, due_at=moment)
    done(found, rest["as_json"], f"task {found['id'][-SHORT:]}: {found['title']}")


@task.command("done")
@click.argument("task")
@asked
def finish_task(task: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say that a task, or what follows from a lesson, was done."""
    found = call("finish_task", data, token_file, task=task)
    done(found, as_json, f"done: {found['title']}")


@task.command("reopen")
@click.argument("task")
@asked
def reopen_task(task: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say that a task has to be done after all."""
    found = call("reopen_task", data, token_file, task=task)
    done(found, as_json, f"to do: {found['title']}")


@task.command("give")
@click.argument("task")
@click.option("--was", default="", help="Whose it was when you looked; nobody's without it.")
@click.option("--to", default="", help="Whose it shall be; yours without it.")
@_due
@asked
def give_task(task: str, was: str, to: str, due: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Give a task to another, with another date."""
    moment = asking.moment(due, ahead=True)
    whose = to or current_operator()
    found = call("change_task", data, token_file, task=task, was=was, assignee=whose, due_at=moment)
    done(found, rest["as_json"], f"task {found['id'][-SHORT:]} is {found['assignee']}'s")


@task.command("list")
@click.option("--overdue", is_flag=True, help="Only what should have been done by now.")
@click.option("--assignee", default="", help="Of this operator.")
@asked
def list_tasks(overdue: bool, assignee: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what is not done yet, the soonest due first."""
    rows = call("tasks", data, token_file, overdue=overdue, assignee=assignee)
    _tasks(rows, as_json, "Nothing is left to do. `watchkeeper incidents task add` gives a task.")


@click.group()
def lessons() -> None:
    """Lessons learnt, and what follows from them."""


@lessons.command("add")
@asking.incident
@click.argument("text")
@click.option("--action", default="", help="What is to be done about it.")
@click.option("--owner", default="", help="Who sees to that, by name; you without it.")
@_due
@asked
def add_lesson(incident: str, text: str, action: str, owner: str, due: str, **rest: Any) -> None:
    """Write a lesson, and with `--action` what follows from it."""
    as_json, moment = rest.pop("as_json"), asking.moment(due, ahead=True)
    found = call("lesson", incident=incident, text=text, **rest)
    told = [f"lesson {found['id']}"]
    if action:
        owner = owner or current_operator()
        made = call(
            "add_task", incident=incident, title=action, assignee=owner, due_at=moment, lesson=found["id"], **rest
        )
        found = {"lesson": found, "action": made}
        told.append(f"action {made['id'][-SHORT:]}: {made['title']}")
    done(found, as_json, "\n".join(told))


@lessons.command("done")
@click.argument("action")
@asked
def finish_lesson(action: str, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """Say that what follows from a lesson was done."""
    found = call("finish_task", data, token_file, task=action)
    done(found, as_json, f"done: {found['title']}")


@lessons.command("list")
@click.option("--overdue", is_flag=True, help="Only what should have been done by now.")
@asked
def list_lessons(overdue: bool, data: Path | None, token_file: Path | None, as_json: bool) -> None:
    """List what follows from lessons and is not done yet, the soonest due first."""
    rows = call("tasks", data, token_file, lessons=True, overdue=overdue)
    _tasks(rows, as_json, "Nothing is left to do. `watchkeeper incidents lessons add --action` says what follows.")


@click.command()
@asking.incident
@click.argument("kind", type=click.Choice(LINKS))
@click.argument("value")
@click.option("--title", default="", help="In your words.")
@click.option("--remove", is_flag=True, help="Take the link back; needs --reason.")
@click.option("--reason", default="", help="Why it is taken back.")
@asked
def link(incident: str, kind: str, value: str, title: str, remove: bool, reason: str, **rest: Any) -> None:
    """Say what an incident has to do with: KIND and VALUE, such as `advisory CVE-2025-6514`, `tool files/read`."""
    as_json = rest.pop("as_json")
    if remove:
        found = call("unlink", incident=incident, kind=kind, value=value, reason=reason, **rest)
    else:
        found = call("link", incident=incident, kind=kind, value=value, title=title, **rest)
    done(found, as_json, f"{'unlinked' if remove else 'linked'} {found['kind']} {found['value']}")


@click.command()
@asking.incident
@click.option("--minutes", type=click.IntRange(1, 1440), required=True, help="So many; make several for several days.")
@click.option("--what", default="", help="On what.")
@asked
def effort(incident: str, minutes: int, what: str, data: Path | None, token_file: Path | None, **rest: Any) -> None:
    """Say how long you worked on it."""
    found = call("effort", data, token_file, incident=incident, minutes=minutes, what=what)
    done(found, rest["as_json"], f"{found['minutes']} minutes")


def _tasks(rows: Any, as_json: bool, empty: str) -> None:
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ["task", "incident", "due", "overdue", "whose", "what"],
        [
            [
                r["id"][-SHORT:],
                r["number"],
                output.moment(r["due_at"]),
                "yes" if r["overdue"] else "no",
                r["assignee"].removeprefix("operator:") or "-",
                r["title"],
            ]
            for r in rows
        ],
        empty=empty,
        below=("what",),
    )


COMMANDS = (note, task, lessons, link, effort)
