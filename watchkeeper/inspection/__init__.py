"""Inspectors notice; they never decide. Also the fingerprints of definitions."""
