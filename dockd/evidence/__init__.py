"""What a court is given: bundles of custody entries with their proofs, pages to read, and the program that checks them alone."""
