"""Containment measures that need more than a name: versions, definitions, what only reads, what is tainted, where to.

Above: the guard, which asks `measures` only while such an order is in force. Below: `containment` (the orders), the
registry's pins and the flow labels. Memory only, but for `ledger`.
"""
