"""What the protocol asks of either end beyond the form of a message, looked at where a message's method or members call
for it. Pure: each answers with a breach or with nothing, and the guard makes a ruling of it.
"""
