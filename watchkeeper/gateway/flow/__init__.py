"""What an agent has read, and what a call carries of it: labels, marks and counters that policies may ask for.

`flow.Flow` is asked before a call is judged and told of every answer that passed. It keeps fingerprints, never text.
"""
