"""The ground: errors, clock, ids, keys, settings, database, logs, plug-ins. Knows nothing of MCP."""
