"""From the moment a camera is in a bay until it leaves: what is copied, what is erased, and the process that touches it."""
