"""Amaranth modules and their flow. Of ``golden`` only descriptions may be imported."""
