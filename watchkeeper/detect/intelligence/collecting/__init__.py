"""Asking sources: TAXII 2.1 collections, documents at a URL, MISP feeds. `polling` is the door.

Every URL is fetched by the one client that guards against being sent to one's own networks (`core.fetch`); how much an
answer may hold, and how long it may take, are the settings'.
"""
