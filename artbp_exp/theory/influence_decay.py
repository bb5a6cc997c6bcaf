"""How fast influence decays at long lags, and the mean length that a constant hazard needs for it.

A constant hazard c = 1/L0 multiplies the square of what crosses n steps by (1 − c)^−2n, and a segment survives them
with probability (1 − c)^n. If influence decays as r^n the variance is finite only for r² < 1 − c, or L0 > 1/(1 − r²).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from artbp_exp.truncation.scheme import Floats

NEGLIGIBLE = 1e-12
"""Share of the greatest influence below which a lag no longer counts: it may be rounding."""
PARTS = 3
LEAST_LAGS = 4  # in each part


@dataclass(frozen=True, kw_only=True)
class InfluenceDecay:
    """The decay of influence over the longer half of the lags.

    Attributes:
        first: lag at which that half begins, in steps.
        last: lag at which it ends.
        ratio: r, the influence at a lag over that at the lag before, by least squares on its logarithm.
        steepest: the least ratio among thirds of these lags: how far the decay is from an exponential one.
        flattest: the greatest.
        level: of the fitted line, at `first`.
    """

    first: int
    last: int
    ratio: float
    steepest: float
    flattest: float
    level: float


def fit_decay(influence: pd.DataFrame) -> InfluenceDecay | None:
    """Fits the table of `influence.csv`; None where it has too few lags."""
    values = influence["influence"].to_numpy(dtype=float)
    counts = values > NEGLIGIBLE * values.max()
    size = int(counts.size if counts.all() else np.argmin(counts))  # up to the first lag that no longer counts
    lags, logs = influence["lag"].to_numpy(dtype=float)[:size], np.log(values[:size])
    begin = size // 2
    if size - begin < PARTS * LEAST_LAGS:
        return None
    slope, at = _line(lags[begin:], logs[begin:])
    parts = zip(np.array_split(lags[begin:], PARTS), np.array_split(logs[begin:], PARTS), strict=True)
    ratios = [float(np.exp(_line(*part)[0])) for part in parts]
    return InfluenceDecay(
        first=int(lags[begin]),
        last=int(lags[-1]),
        ratio=float(np.exp(slope)),
        steepest=min(ratios),
        flattest=max(ratios),
        level=float(np.exp(at)),
    )


def share_cut_off(influence: Floats, decay: InfluenceDecay | None, longest: int) -> Floats:
    """Share of the influence that truncated BPTT with segments of L = 1 … `longest` steps cuts off: shape (`longest`,).

    Of all pairs of a state and a loss k steps later, the share min(1, k/L) lies in two segments:

        share(L) = Σ_k min(1, k/L) φ_k / Σ_k φ_k

    Where contributions of all lags point the same way, it is the relative bias.

    Args:
        influence: φ_k for k = 0, 1, …
        decay: gives φ_k = φ_τ0 β^(k − τ0) from its first lag τ0 on, without an end; None: nothing follows what was
            measured. Where β ≥ 1 the sum has no end, and any segment cuts off all.
        longest: L.
    """
    lags, tail = np.arange(max(len(influence), longest + 1)), 0.0
    values = np.concatenate([influence, np.zeros(lags.size - len(influence))])
    if decay is not None:
        if decay.ratio >= 1:
            return np.ones(longest)
        values[decay.first :] = decay.level * decay.ratio ** (lags[decay.first :] - decay.first)
        tail = values[-1] * decay.ratio / (1 - decay.ratio)
    lengths = np.arange(1, longest + 1)[:, None]
    found: Floats = (np.minimum(1, lags / lengths) @ values + tail) / (values.sum() + tail)
    return found


def least_length(ratio: float) -> float:
    """1/(1 − r²): above this mean length a constant hazard has finite variance; infinite where nothing decays."""
    return 1 / (1 - ratio**2) if ratio < 1 else float("inf")


def _line(lags: np.ndarray, logs: np.ndarray) -> tuple[float, float]:
    """(slope, value at the first lag)."""
    slope, at = np.polyfit(lags - lags[0], logs, 1)
    return float(slope), float(at)
