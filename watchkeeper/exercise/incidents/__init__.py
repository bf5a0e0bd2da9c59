"""Scripted incidents: something gets through for real, and a playbook answers, up to its end and back.

`scenes` has what happens, `script` what each playbook then owes, `playing` plays one and looks at what was recorded.
"""
