"""Operators of single runtimes, in the runtime's own order of operations."""
