"""Sinks whose receivers answer over HTTP: each part gets an answer, and the answer says what became of it."""
