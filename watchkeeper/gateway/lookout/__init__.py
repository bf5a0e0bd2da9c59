"""Looking again: at definitions that may have changed since they were listed, and as somebody else."""
