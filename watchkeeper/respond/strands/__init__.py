"""Runs as strands: the steps one after the other between two gates, each stretch carried by a workflow of its own.

Rooms: `blocks` finds the place in a plan (pure), `carrying` begins workflows and knows after a crash which are due.
"""
