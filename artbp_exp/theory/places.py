"""The sum over all places of a window, estimated from some that are spread evenly over it, with its standard error."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

WIDTH = float(stats.norm.isf(0.025))
"""Half a 95 % interval, in standard errors."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Place 0, several times, and one random place in each of equal parts of 1 … `steps` − 2.

    Attributes:
        steps: T, of the window.
        firsts: how often place 0 is taken, at least 2: what is measured there is random, too.
        others: how many others, at least 2.
    """

    steps: int
    firsts: int
    others: int

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """The places, in order."""
        parts = (np.arange(self.others) + rng.random(self.others)) / self.others
        return np.concatenate([np.zeros(self.firsts, dtype=int), 1 + (parts * (self.steps - 2)).astype(int)])

    def total(self, values: np.ndarray) -> float:
        """Unbiased estimate of the sum over all places, from values at those `drawn`, in order."""
        return float(values[: self.firsts].mean() + (self.steps - 2) * values[self.firsts :].mean())

    def error(self, values: np.ndarray) -> float:
        """Standard error of `total`, widened so that ± 1.96 of it is a 95 % interval although it is itself estimated.

        One place in each part says far more than as many places anywhere, since a smooth change from part to part is
        not an error: it cancels in differences between neighbours (Wolter, Introduction to Variance Estimation, 2007,
        ch. 8). With n parts Var(mean) ≈ Σ_i v_i/n², where the variance within part i is

            v_i = (y_{i−1} − 2·y_i + y_{i+1})²/6,

        and (y_i − y_{i±1})²/2 at either end, where there is one neighbour. It is widened as Student's t is, with the
        degrees of freedom that these squares would have if the values were normal.
        """
        first, later = values[: self.firsts], values[self.firsts :]
        differences = _differences(later.size)
        within = float(np.square(differences @ later).sum()) / later.size**2
        freedom = later.size**2 / float(np.square(differences @ differences.T).sum())
        parts = np.array([first.var(ddof=1) / first.size, (self.steps - 2) ** 2 * within])
        if parts.sum() == 0:
            return 0.0
        # Welch and Satterthwaite
        joint = float(parts.sum() ** 2 / (parts**2 / [first.size - 1, freedom]).sum())
        return float(np.sqrt(parts.sum()) * stats.t.isf(0.025, max(joint, 1.0)) / WIDTH)


def _differences(count: int) -> np.ndarray:
    """The coefficients of the differences, a row of length 1 for each place: shape (count, count)."""
    rows = np.zeros((count, count))
    rows[0, :2], rows[-1, -2:] = (1, -1), (1, -1)
    for place in range(1, count - 1):
        rows[place, place - 1 : place + 2] = 1, -2, 1
    normed: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normed
