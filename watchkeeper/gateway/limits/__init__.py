"""Limits: how much a client, a tool or a tenant may use, and agents that go round in circles.

`settings` says what may be configured, `meters` counts, `counters` keeps one set of meters for each who has an
allowance, `gate` is asked before a message is forwarded, and `turnstile` carries its word out for one route.
"""
