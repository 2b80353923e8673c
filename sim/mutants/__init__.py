"""Faults in a tile: those that its verification finds, and those that it misses."""
