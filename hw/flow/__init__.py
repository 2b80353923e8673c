"""Synthesis and placement by open tools, and their reports."""
