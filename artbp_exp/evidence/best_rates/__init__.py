"""Comparisons that take every method at its own best learning rate."""
