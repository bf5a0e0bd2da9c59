"""One document as data: a rule about single events, a correlation, a filter. Nothing here knows of other documents."""
