"""SQL over the lake and what it does not hold yet: a subset, one tenant, bounded, planned, in a process of its own.

`running.Lake` is the door. `checking` and `naming` judge a query, `rewriting` binds it to a tenant and a range,
`dialects` writes it for an engine, `running` runs it. The journal is asked for the lake's missing end only.
"""
