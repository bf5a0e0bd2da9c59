"""`python -m watchkeeper` is `watchkeeper`."""

from watchkeeper.cli import main

main()
