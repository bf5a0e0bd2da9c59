"""How detection follows the journal: what is durable when, event time, duplicates, and many workers.

Rooms: `state` holds a reader's state in one transaction, `memories` restores and gathers it, `outbox` publishes what
is owed, `watermark` is event time, `duplicates` knows events again, `judging` asks rules, stages and admission,
`partition` shares the work. `detector` above puts them together.
"""
