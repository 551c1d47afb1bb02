"""ASTER–MODIS pairs: what is read, the published database, and which scenes judge."""
