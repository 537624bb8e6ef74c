"""The client of the central archive: one small protocol, its backends, and wrappers that add retry and limits."""
