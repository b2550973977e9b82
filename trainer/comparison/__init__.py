"""Comparing networks under one protocol: the same frames, split, recipe and seeds for each of them."""
