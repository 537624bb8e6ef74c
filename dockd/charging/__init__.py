"""Who is charged when, what the lamps say, and whose camera it is."""
