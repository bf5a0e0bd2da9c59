"""What the bytes of a log mean: commits and groups, their contents, sealing by subject, the end of a closed file."""
