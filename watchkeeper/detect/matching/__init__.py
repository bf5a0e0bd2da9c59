"""The fast matcher: which of many rules match a record, as the plain reading of each would say (`conditions`).

A record is routed first: its log source has a table of its own (`table`). There an index of what rules need
(`index`, `scanning`) names the few rules that can match at all, and only their conditions run, as generated code
(`generating`). What a table learns from the records it sees (`learning`) decides which need is looked for.
"""
