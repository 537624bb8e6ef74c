"""From camera to spool: durable writes, the spool's layout, the copy and its read-back, and the processes that do it."""
