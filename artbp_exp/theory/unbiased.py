"""When the mean gradient of a scheme is that of full BPTT (Tallec & Ollivier 2017, arXiv 1705.08209, Proposition 1)."""

from artbp_exp.theory.survival import hazards
from artbp_exp.truncation import Scheme


def can_cut(scheme: Scheme, steps: int) -> bool:
    """Whether a cut can fall within a sequence of `steps` steps. Its end is not a cut."""
    return any((hazards(s, steps - 1) > 0).any() for s in (scheme, scheme.at(0)))


def is_unbiased(scheme: Scheme, steps: int) -> bool:
    """Whether every cut within `steps` steps is compensated and none of them is certain, or none can fall there."""
    return why_biased(scheme, steps) is None


def why_biased(scheme: Scheme, steps: int) -> str | None:
    """Why a scheme is biased on `steps` steps, whatever the model; None if it is not."""
    if not can_cut(scheme, steps):
        return None
    kinds = (scheme.at(0), scheme)
    if not all(s.reweight for s in kinds):
        return "cuts are not compensated"
    certain = any((hazards(s, steps - 1) == 1).any() for s in kinds)
    return "a cut that is certain cannot be compensated" if certain else None
