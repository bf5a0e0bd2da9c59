"""What of others' words an event keeps: the settings, what follows from them for a route, and carrying that out.

Rooms: `settings` is what an operator says, `model` what holds for a route (pure), `keeping` puts text into an event's
body and says there what was not kept. A secret is never kept, whatever the settings say.
"""
