"""What is wrong with rules, or could be better, each with what mends it. Judges files; loads nothing into detection.

`linting` reads files as `sigma` does and asks: can it be loaded, can it ever be true (`truth`), does it read what there
is (`fields`), does it say what people need (`words`), what does it make correlation remember (`memory`).
"""
