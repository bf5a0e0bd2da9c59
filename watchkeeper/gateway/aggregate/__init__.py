"""Many servers behind one endpoint, beside the route that each has for itself.

An aggregate stands between a door and its members' exchanges. It finds the member that a message is for, gives it the
message under the member's own names, and shows the answer under the endpoint's. What it sends a member is an ordinary
request: pins, policy, orders, inspectors and events speak of that member and its own names, as on its own route.
"""
