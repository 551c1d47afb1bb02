"""A day's granules as a 250 m map: area, validity, file, picture, and many of them at once."""
