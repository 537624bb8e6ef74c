"""What everything that runs in one dock shares: its parts, what is going on, what waits, what may change live."""
