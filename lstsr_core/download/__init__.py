"""Granules from an archive into a directory: where they come from,
logins, transfers that resume, what was checked."""
