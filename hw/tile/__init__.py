"""Tiles: what is chosen of one, and what it is made of."""
