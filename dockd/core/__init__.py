"""Pure decisions: what may happen to a recording, when a camera may be cleared, what the lamp shows, what goes next.

Standard library only, no input or output, no asyncio, no clock: everything comes in as a value and goes out as one. Read in
this order: names, recording, canonical, proof, clearance, life, custody, manifest, profile, queue, readiness.
"""
