"""A landscape that is made up, seen by simulated sensors, in the formats of the real ones."""
