"""Diagnoses a training loop of a user's own: `artbp.diagnose`."""

from artbp_exp.diagnosis.user_loop.advise import diagnose
from artbp_exp.diagnosis.user_loop.report import Diagnosis

__all__ = ["Diagnosis", "diagnose"]
