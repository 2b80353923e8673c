"""Synthesis and placement by open tools, and what they report."""
