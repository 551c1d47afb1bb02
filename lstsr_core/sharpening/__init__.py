"""The methods that make 250 m LST of 1 km LST and NDVI, by name."""
