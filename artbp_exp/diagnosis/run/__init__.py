"""Diagnoses a model of this package, as configured or at a trained checkpoint: `artbp-diagnose`."""
