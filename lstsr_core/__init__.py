"""Land surface temperature super-resolution: the code behind the notebooks and the book."""
