"""Work on incidents, as NIST SP 800-61r3 has it: whose it is, how far it is, what is to do, what was learnt.

`deciding`, `noting`, `tasks`, `links`, `merging`, `splitting` are what people do; `reading` and `similar` are what they
see; `importing` and `exporting` are how incidents come and go in bulk. Above: `app`, which asks who may. Below: the
incidents themselves, which alerts open and playbooks contain (`respond.intake`, `respond.progress`).
"""
