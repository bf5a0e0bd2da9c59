"""The options that make a search, shared by the commands, and how they tell that a query is wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from watchkeeper.app.settings import data_folder, require_journal
from watchkeeper.cli import output
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Invalid
from watchkeeper.core.text import visible
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.query import BadQuery
from watchkeeper.events.search import Asked, ask

OUTCOMES = ("allow", "modify", "ask", "deny", "success", "failure")
_SHOWN = 100
"""Characters of a query that are shown with an error."""
P = ParamSpec("P")
R = TypeVar("R")


_A_TIME = "A time (2026-11-22T16:00Z), an age (15m, 24h, 7d), or `all`."
_RANGE = (
    click.option("--since", default="24h", show_default=True, help=_A_TIME),
    click.option("--until", default="", help="The same; default: now."),
)
_FOLLOWED = (
    click.option("--since", default="", help=f"{_A_TIME} Default: only what comes from now on."),
    click.option("--until", default="", help="The same; ends when everything before it was shown. Default: never."),
)


def options_of_a_search(command: Callable[P, R]) -> Callable[P, R]:
    """QUERY, range, fields and tenant."""
    return _with(_RANGE, command)


def options_of_following(command: Callable[P, R]) -> Callable[P, R]:
    """The same for who begins with what comes next."""
    return _with(_FOLLOWED, command)


def _with(times: Sequence[Callable[..., Any]], command: Callable[P, R]) -> Callable[P, R]:
    added: list[Callable[..., Any]] = [
        click.argument("query", nargs=-1),
        *times,
        click.option("--kind", default="", help="A kind, or the beginning of one: gateway.request."),
        click.option("--server", default="", help="The server's name."),
        click.option("--actor", default="", help="The principal: agent:NAME."),
        click.option("--target", default="", help="The tool, prompt, resource or order."),
        click.option(
            "--outcome", default=None, type=click.Choice(OUTCOMES), metavar="OUTCOME", help=", ".join(OUTCOMES)
        ),
        click.option("--label", "labels", multiple=True, help="Such as exercise or shadow; may be repeated."),
        click.option("--tenant", default="default", show_default=True, help="Whose events."),
    ]
    return functools.reduce(lambda made, add: add(made), reversed(added), command)


def asked_for(query: tuple[str, ...], now: int, **chosen: Any) -> Asked:
    """The search that the options make. Raises `Invalid`, showing the place in the query."""
    text, chosen["outcome"] = " ".join(query), chosen["outcome"] or ""
    kind = chosen["kind"]
    if kind and not any(known.startswith(kind) for known in KINDS):
        output.text(f"note: no kind of event begins with {kind!r}: see `watchkeeper events kinds`", err=True)
    try:
        return ask(text, now, **chosen)
    except BadQuery as error:
        raise Invalid(pointed_at(error), hint=error.hint) from error


def nothing(chosen: dict[str, Any], *, is_everything: bool = False) -> str:
    """What to say where nothing was found, with the next step."""
    since, until = chosen["since"], chosen["until"] or "now"
    if since == "all":
        return "Nothing matches." + (
            " Nothing is recorded yet: `watchkeeper demo` shows an attack." if is_everything else ""
        )
    wider = "--since 7d, or --since all" if since == "24h" else "--since all"
    return f"Nothing matches in this range ({since} until {until}). Widen it with {wider}."


def pointed_at(error: BadQuery) -> str:
    """The reason, with the query and the place in it below."""
    start = max(0, error.at - _SHOWN // 2)
    shown = error.text[start : start + _SHOWN]
    text = "".join(visible(character) if character.isprintable() else "?" for character in shown)
    if len(text) != len(shown):
        return error.reason  # what cannot be lined up is not pointed at
    length = max(1, min(error.length, start + _SHOWN - error.at))
    return f"{error.reason}\n    {text}\n    {' ' * (error.at - start)}{'^' * length}"


def opened(data: Path | None) -> tuple[Path, int]:
    """The data folder, which has a journal, and the time."""
    folder = data_folder(data)
    require_journal(folder)
    return folder, SystemClock().now()
