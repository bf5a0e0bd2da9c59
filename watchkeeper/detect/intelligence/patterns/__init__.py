"""STIX patterns: what of them can be seen in one event of MCP, as values to look up and conditions to check.

`lexing` and `parsing` read the language (STIX 2.1, part 9) within bounds, `meaning` says what it comes to here. What a
single event cannot show (sequences, repetitions, processes, registry keys) is refused with its reason.
"""
