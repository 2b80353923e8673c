"""Sweeps: every combination of options, each point verified, as CSV, JSON and a table.

``exactmac sweep --bits 2..8`` computes the digits network in each width; ``--help`` tells the rest.
"""

from exactmac.sweep.command import main, parser

__all__ = ["main", "parser"]
