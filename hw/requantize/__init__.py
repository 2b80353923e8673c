"""Requantization of exact sums to codes: the stages of each contract, and tables."""
