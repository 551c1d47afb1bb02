"""Products beside ASTER: protocols, tables of metrics, intervals, and the studies beside them."""
