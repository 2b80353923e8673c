"""Fabrics: the cells of arithmetic."""
