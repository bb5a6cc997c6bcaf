"""Where to cut: a scheme is one hazard, one file each. Knows no model, no task and no torch."""

from artbp_exp.truncation.scheme import Scheme, Segment, count_cuts, enumerate_cuts

__all__ = ["Scheme", "Segment", "count_cuts", "enumerate_cuts"]
