"""Pairs of LST and NDVI windows to train on: cut, split, and their statistics; no torch."""
