"""Options that commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from watchkeeper.cli import output
from watchkeeper.core.errors import Unavailable, WatchkeeperError

P = ParamSpec("P")
R = TypeVar("R")

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The data folder. Default: $WATCHKEEPER_DATA, else watchkeeper in the user's data folder.",
)
config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The settings file (TOML). Default: $WATCHKEEPER_CONFIG, else watchkeeper.toml in the data folder, if there "
    "is one.",
)
token_file = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Act by the operator's token in this file. Default: by $WATCHKEEPER_OPERATOR_TOKEN if it is set, else as the "
    "user of this host.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def errors_told(command: Callable[P, R]) -> Callable[P, R]:
    """End with the error's own words and exit code, as JSON where `--json` was asked for."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except WatchkeeperError as error:
            wants_json: Any = kwargs.get("as_json", False)
            output.said(error, json=bool(wants_json))
        except BrokenPipeError:
            raise  # whoever read our output has seen enough; click ends quietly
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            told = Unavailable(f"{named}{error.strerror or error}", hint="check the path, its mode and the disk")
            output.said(told, json=bool(kwargs.get("as_json", False)))

    return told
