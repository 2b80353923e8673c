"""Fabrics: what cells arithmetic may use."""
