"""Closed formulas on truncation, each once: survival, bias, stored steps, exact variance. Knows no model, no torch."""
