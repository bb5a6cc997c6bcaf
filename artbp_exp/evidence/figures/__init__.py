"""Figures from run folders: CSV in, PNG and PDF out. No torch here, and no experiment is run."""

from artbp_exp.evidence.figures.influence_balancing import influence_balancing
from artbp_exp.evidence.figures.learning_rates import learning_rates
from artbp_exp.evidence.figures.segment_lengths import segment_lengths

__all__ = ["influence_balancing", "learning_rates", "segment_lengths"]
