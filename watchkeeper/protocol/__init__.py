"""MCP on the wire: eras, strict JSON, messages, spawning a server. No sockets, no policy."""
