"""Commands: the process's front door. Above: the shell. Below: `app`, which wires what a command needs."""

from watchkeeper.cli.main import main

__all__ = ["main"]
