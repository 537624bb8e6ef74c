"""The only privileged code: judges, authorises and mounts what is in a bay, and hands out its root folder."""
