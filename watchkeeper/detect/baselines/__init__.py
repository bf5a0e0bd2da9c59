"""What is usual for a principal, a server, a tool, and what is not: learned, explained, forgotten again.

`model` says what a baseline is, `observing` what it looks at, `learners` how it learns, `stage` keeps it in the stream.
"""
