"""NASA's granules: their names and products, HDF4 read apart, LST with its
quality, reflectance, water, and which go together."""
