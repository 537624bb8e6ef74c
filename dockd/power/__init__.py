"""Batteries, charging and lamps: what a bay does for a camera besides emptying it."""
