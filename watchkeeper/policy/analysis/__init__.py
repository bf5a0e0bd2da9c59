"""What can be said of a set of policies beside its verdicts: why, what else, how much would change, what is newly let.

For people and their tools; the gateway never comes here. Everything decided here is decided by the same engine.
"""
