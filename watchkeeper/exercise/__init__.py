"""Emulated attacks through the real gateway, with real servers and a real client; every event is labelled
`exercise`."""
