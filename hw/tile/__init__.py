"""Tiles: their choices, and their parts."""
