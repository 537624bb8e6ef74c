"""From the spool to the archive, and out of the spool once that is proved."""
