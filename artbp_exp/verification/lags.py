"""Lengths and factors at full size, lag by lag: asked of the learner, which draws nothing and so has no variance.

A short sequence says nothing of a cap, or of a clipped factor, that is met at long lags only. Here every lag is tried,
out to `lags_of`, with the run's own scheme: lengths one by one, and all factors at once by the gradient of a model that
shows them as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp.methods import segment_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.theory.survival import carry_factors
from artbp_exp.truncation import Scheme
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.lengths import along, misdrawn, promised
from artbp_exp.verification.probe import Make, Probe

MEANS = 20
"""Mean lengths that are tried at least."""

BEYOND = 50
"""Steps beyond `method.memory` that are tried at least."""

LEAST, MOST = 100, 20_000
"""Lags that are tried at least and at most: the most takes some seconds."""

RAREST = 2.0**-48
"""A segment that goes on with a smaller probability than this does not come: numbers are drawn in steps of 2⁻⁵³."""

FACTOR_TOLERANCE = 1e-9
"""Relative, of the product of as many factors as there are lags."""


@dataclass(frozen=True, kw_only=True)
class Lags:
    """What was found lag by lag.

    Attributes:
        count: lags that were tried, 1 … `count`.
        why: what bounds them, in words.
        misdrawn: how lengths are drawn otherwise than the hazard says; None if they are not.
        factor_error: largest relative difference of an accumulated factor from Π 1/(1 − c(d)).
        wrong_from: segment length from which factors are wrong; None if they are not.
    """

    count: int
    why: str
    misdrawn: str | None
    factor_error: float
    wrong_from: int | None

    @property
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        if self.misdrawn is not None:
            return f"at full size {self.misdrawn}"
        if self.wrong_from is not None:
            return (
                f"at full size the factors are not 1/(1 − c(d)): from step {self.wrong_from} of a segment on, "
                f"off by up to {self.factor_error:.1%} in their product"
            )
        return None


class Shows(RecurrentModel):
    """s_t = s_{t−1} + θ_t: the gradient of the last state with respect to θ_t is the product of the factors from t on.

    Args:
        steps: T, numbers in θ; inputs are the steps' indices, (n, 1).
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(steps, dtype=torch.float64))

    def init_state(self, batch_size: int) -> Tensor:
        """Zeros (B,)."""
        return torch.zeros(batch_size, dtype=torch.float64)

    def encode(self, inputs: Tensor) -> Tensor:
        """θ at the steps `inputs`."""
        return self.theta[inputs]

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The sum so far, twice."""
        summed = state + inputs
        return summed, summed


class LastState:
    """A task of T steps whose loss is the state after the last."""

    name = "factors"
    carry_state, passes, batch_size, divergence = True, 1, 1, float("inf")

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Indices of the steps, and 1 at the last step of all, else 0: (n, 1) each."""
        steps = torch.arange(start, stop)[:, None]
        return steps, (steps == self.steps - 1).double()

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The last state."""
        return (predictions * targets).sum()


class _Asked(Exception):
    """Carries the length for which the learner asked for data: nothing has to be computed on it."""

    def __init__(self, length: int) -> None:
        self.length = length


class _Unread(LastState):
    """Data that are asked for and never handed out."""

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        raise _Asked(stop - start)


class _Lengths(Probe):
    """Asks for lengths only."""

    def first(self, number: float) -> int:
        try:
            return super().first(number)
        except _Asked as asked:
            return asked.length


def lags_of(scheme: Scheme, limit: int) -> tuple[int, str]:
    """How many lags are tried: `MEANS` mean lengths, `BEYOND` steps past the memory, `LEAST`; and what bounds them.

    Args:
        scheme: of the run.
        limit: T of the run, in steps.
    """
    wanted = max(LEAST, MEANS * int(np.ceil(scheme.length or 0)), (scheme.memory or 0) + BEYOND)
    count = min(wanted, limit, MOST)
    why = "20 mean lengths, 50 steps past method.memory, and 100, whichever is the most"
    if count < wanted:
        why = "the sequence has no more" if count == limit else f"never more than {MOST}"
    within = longest(scheme, count)
    return (count, why) if within == count else (within, "longer segments are never drawn")


def longest(scheme: Scheme, steps: int) -> int:
    """Length of the longest segment, in steps, that is ever drawn within `steps` steps."""
    beyond = promised(scheme, steps).beyond
    return int((beyond > RAREST).sum())


def lag_by_lag(scheme: Scheme, *, limit: int, make: Make = segment_method) -> Lags:
    """Tries all lags.

    Args:
        scheme: of the run.
        limit: T of the run, in steps.
        make: builds the learner.
    """
    count, why = lags_of(scheme, limit)
    # one more step than the longest segment, so that its end is a cut and not the end of the data
    within = min(count + 1, limit)
    unread: Any = _Unread(within)
    asked = _Lengths(engine="plain", model=Shows(1), task=unread, scheme=scheme, make=make)
    wrong = misdrawn(asked, promised(scheme, within))
    task: Any = LastState(count)
    shows = Probe(engine="plain", model=Shows(count), task=task, scheme=scheme, make=make)
    gradients, otherwise = along(shows, promised(scheme, count), [count])
    found = gradients["theta"].numpy()
    # the product of the factors from step t on, for t = 1 … count; the last step has none
    wanted = np.append(np.cumprod(carry_factors(scheme, count - 1)[::-1])[::-1], 1.0)
    off = np.abs(found / wanted - 1.0)
    return Lags(
        count=count,
        why=why,
        misdrawn=wrong or otherwise,
        factor_error=float(off.max()),
        wrong_from=_first_wrong(found, wanted),
    )


def _first_wrong(found: Floats, wanted: Floats) -> int | None:
    """The first step after which a factor is wrong, by the ratios of neighbouring products."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs((found[:-1] / found[1:]) / (wanted[:-1] / wanted[1:]) - 1.0)
    wrong = np.flatnonzero(~(off <= FACTOR_TOLERANCE))
    return int(wrong[0]) + 1 if wrong.size else None
