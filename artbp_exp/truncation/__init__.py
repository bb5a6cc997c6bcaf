"""Where to cut. Knows no model, no task and no torch."""

from artbp_exp.truncation.scheme import Scheme, Segment, enumerate_cuts

__all__ = ["Scheme", "Segment", "enumerate_cuts"]
