"""Ground and grids: rasters with transform and CRS, the MODIS
sinusoidal grid, the degradation operator, shorelines."""
