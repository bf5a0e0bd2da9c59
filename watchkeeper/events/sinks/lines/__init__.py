"""Sinks whose receivers never answer: messages of syslog, one behind the other, over a connection that may break."""
