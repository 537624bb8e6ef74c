"""Who is in which bay: one small protocol, and the bays that speak it.

A bay tells of its camera's coming and going and opens nothing on it: reading belongs to the bay's own worker.
"""
