"""Proof to clearance: the only code that removes anything from a camera."""
