"""Writing a log: opening and continuing it, committing, and telling whoever waits."""
