"""A whole segment as one autograd function: the recursion of SPEC section 3 on preallocated buffers."""

from artbp_exp.autograd.fused.recurrence import Recurrence
from artbp_exp.autograd.fused.segment import run_segment

__all__ = ["Recurrence", "run_segment"]
