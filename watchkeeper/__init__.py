"""Watchkeeper: the security operations platform for MCP systems."""
