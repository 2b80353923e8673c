"""Tiles behind the ports of a bus."""
