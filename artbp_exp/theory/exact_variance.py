"""The exact variance of the gradient: the odds of each cut times the squared gradient that crosses it."""

from collections.abc import Callable, Sequence

from artbp_exp.theory.survival import hazards, renewal, survival
from artbp_exp.truncation import Scheme
from artbp_exp.truncation.scheme import Floats

Crossings = Callable[[int, Sequence[int]], tuple[Floats, Floats]]
"""(a, [t, …]) → squared norms of what a cut after each step t would take away in a segment that began after step a.

The first array, shape (len(t),), is ‖Σ_i Y_i‖² with Y_i = ε_t G_t of stream i, which cuts shared by all streams take
away; the second is Σ_i ‖Y_i‖², for cuts drawn for each stream alone.
"""


def exact_variance(scheme: Scheme, steps: int, crossings: Crossings) -> float:
    """Var(ĝ) = Σ_{t<T} E[c_t/(1 − c_t)·‖ε_t G_t‖²], summed over where the segment of step t began (docs/method.md).

    A segment begins after step a with the renewal probability u(a) and goes beyond lag d − 1 with P(length > d − 1);
    G_t depends on the cuts through a alone. No pattern of cuts is enumerated.

    Args:
        scheme: reweighted, with hazards below 1 at lags 1 … T − 1, the first segment as all the others.
        steps: T.
        crossings: of the model, at fixed parameters and data.
    """
    if steps < 2:
        return 0.0
    hazard = hazards(scheme, steps - 1)
    if not hazard.any():
        return 0.0
    alive, begins = survival(scheme, steps - 1), renewal(scheme, steps)
    total = 0.0
    for a in range(steps - 1):
        if begins[a] == 0:
            continue
        shared, _ = crossings(a, range(a + 1, steps))
        for lag, squared in enumerate(shared.tolist(), 1):
            odds = hazard[lag - 1] / (1.0 - hazard[lag - 1])
            total += float(begins[a] * alive[lag - 1] * odds * squared)
    return total
