"""A whole segment as one autograd function, with the carry factors inside its backward recursion (docs/engines.md)."""

from artbp_exp.autograd.fused.cells import AuthorsRecurrence, GRURecurrence, LSTMRecurrence, RNNRecurrence
from artbp_exp.autograd.fused.recurrence import Recurrence, Weights
from artbp_exp.autograd.fused.segment import run_recurrence, run_segment

__all__ = [
    "AuthorsRecurrence",
    "GRURecurrence",
    "LSTMRecurrence",
    "RNNRecurrence",
    "Recurrence",
    "Weights",
    "run_recurrence",
    "run_segment",
]
