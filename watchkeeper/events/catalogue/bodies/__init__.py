"""The bodies of events, a room for each domain: structs, and which kinds have them."""
