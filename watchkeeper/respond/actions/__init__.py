"""The built-in actions, one room a family. Each finds its own earlier effect before it acts, and proves it afterwards.

They are loaded by their entry points, `watchkeeper.actions`.
"""
