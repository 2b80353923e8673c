"""Operators as one runtime computes them, in its own order."""
