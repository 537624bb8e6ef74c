"""The dock's own hand: it signs what happened, compares it every day, and calls people."""
