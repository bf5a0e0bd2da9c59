"""`watchkeeper intel`: what others know to be bad. Modules for taking in, sources, the allow-list and questions."""

from __future__ import annotations

import click

from watchkeeper.cli.intel.allowing import allow
from watchkeeper.cli.intel.asking import list_, search, show, status
from watchkeeper.cli.intel.keeping import confirm, expire, import_
from watchkeeper.cli.intel.retro import retro
from watchkeeper.cli.intel.sharing import export
from watchkeeper.cli.intel.sources import sources


@click.group()
def intel() -> None:
    """Indicators of others, what is allowed, what was seen."""


for _command in (allow, confirm, expire, export, import_, list_, retro, search, show, sources, status):
    intel.add_command(_command)
