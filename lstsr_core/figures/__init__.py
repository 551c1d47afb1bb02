"""Figures: their style, how they are written, and what each shows."""
