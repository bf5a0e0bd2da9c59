"""What a rule is worth, before it may wake anyone: its tests, its past, its volume, and what all rules cover together.

`testing` runs the tests inside of rules, `past` reads what was recorded, `backtest` asks rules about it, `simulation`
counts the alerts that they would have raised, `coverage` holds rules and executed attacks against the catalogues of
techniques (`frameworks`), `navigator` writes that for MITRE's own tool. Nothing here raises an alert.
"""
