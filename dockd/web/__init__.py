"""What the dock shows and what may be asked of it: the control API on a Unix socket."""
