"""Truncated BPTT that chooses its length from the measured decay of influence (Aicher et al. 2019, arXiv 1905.07473).

Every so many steps it measures φ_k, the root mean square of ‖∂ℓ_t/∂s_{t−k}‖, fits φ_k ~ β^k to the longer half of the
lags, and takes the shortest L of which segments cut off at most a share δ of the influence, see `share_cut_off`:

    Σ_k min(1, k/L) φ_k / Σ_k φ_k ≤ δ

The published method lets every loss see L lags or more; segments that follow one another cut k/L of the pairs at lag k,
which is counted here, so that L comes out longer. What the share leaves out: that parameters act on some states more
than on others, and that contributions of different lags may cancel. It is the relative bias where neither matters.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.methods import baseline
from artbp_exp.methods.base import Auxiliary, Boundary, Claim, Draw, Loss, Method
from artbp_exp.methods.influence import squared_influence
from artbp_exp.methods.segments import SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import window
from artbp_exp.theory.influence_decay import fit_decay, share_cut_off
from artbp_exp.truncation import tbptt

LEAST_LAGS = 32
"""Measured at least: fewer have no longer half that a decay can be fitted to."""


class Adaptive(Method):
    """Truncated BPTT whose L follows the measured decay of influence; see above.

    Args:
        segments: runs the segments; its scheme is replaced as L changes.
        model: influence is measured on it.
        task: and on these data.
        longest: L at most, and at first; influence is measured out to twice as many lags.
        bias: δ.
        every: steps between two measurements.
        losses: t that a measurement averages over, besides the streams.
    """

    name = "adaptive"
    columns = ("truncation_length", "influence_decay")

    def __init__(
        self,
        *,
        segments: SegmentMethod,
        model: RecurrentModel,
        task: Task,
        longest: int,
        bias: float,
        every: int,
        losses: int,
    ) -> None:
        self.segments, self._model, self._task, self.engine = segments, model, task, segments.engine
        self.looks_ahead = segments.looks_ahead
        self._longest, self._bias, self._every, self._losses = longest, bias, every, losses
        self._memory = segments.scheme.memory
        self._decay: float | None = None
        self._length = longest
        self._seen, self._due = 0, 0  # steps done; steps until the next measurement

    def begin(self, batch_size: int) -> Any:
        """The model's initial state."""
        return self.segments.begin(batch_size)

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """Segments of L steps. L changes between two of them, where a measurement is due."""
        while start < steps:
            if self._due <= 0:
                self._measure()
                self._due = self._every
            segment = self.segments.scheme.segment(min(self._length, steps - start))
            self._seen += segment.length
            self._due -= segment.length
            yield start, segment
            start += segment.length

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Nothing is drawn: segments of L steps, as L is now."""
        return self.segments.outcomes(steps)

    def claim(self, steps: int) -> Claim:
        """As truncated BPTT's."""
        return self.segments.claim(steps)

    def stored_numbers(self, steps: int) -> float:
        """As truncated BPTT's with the last L; a measurement stores more for its moment."""
        return self.segments.stored_numbers(steps)

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`."""
        return self.segments.advance(carry, draw, inputs, targets, loss, ends=ends)

    def row(self) -> dict[str, Any]:
        """L, and β where it is known."""
        return {"truncation_length": self._length, "influence_decay": self._decay}

    def state_dict(self) -> dict[str, Any]:
        """L, β, and when to measure again."""
        return {"length": self._length, "decay": self._decay, "seen": self._seen, "due": self._due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from there."""
        self._decay, self._seen, self._due = state["decay"], state["seen"], state["due"]
        self._take(state["length"])

    def _measure(self) -> None:
        """Measures influence on data about where training stands, and chooses L; without a loss there L stays."""
        task, lags = self._task, max(2 * self._longest, LEAST_LAGS)
        begin = self._seen % task.steps
        begin -= begin % task.episode
        if task.episode == task.steps:
            span = min(2 * lags, task.steps)
            begin = min(self._seen % task.steps, task.steps - span)
        else:
            span = min(task.episode, task.steps - begin)
        around = window(task, start=begin, steps=span)
        with suppress(UserError):  # no loss within
            squares = squared_influence(self._model, around, lags=min(lags, span - 1), losses=self._losses)
            self._choose(np.sqrt(squares.mean(axis=0)))

    def _choose(self, influence: np.ndarray) -> None:
        if not (np.isfinite(influence).all() and influence.any()):
            return
        decay = fit_decay(pd.DataFrame({"lag": np.arange(influence.size), "influence": influence}))
        self._decay = None if decay is None else decay.ratio
        small = share_cut_off(influence, decay, self._longest) <= self._bias
        self._take(int(small.argmax()) + 1 if small.any() else self._longest)

    def _take(self, length: int) -> None:
        self._length = length
        self.segments.scheme = tbptt.build(length=length, memory=self._memory)


def build(
    *,
    length: int,
    bias: float = 0.5,
    estimate_every: int = 10_000,
    losses: int = 10,
    memory: int | None = None,
    model: RecurrentModel,
    task: Task,
    engine: str,
    autocast: torch.dtype | None,
    boundary: Boundary | None,
    auxiliary: Auxiliary | None,
) -> Adaptive:
    """Truncated BPTT of a length that is chosen anew, now and then, from the decay of influence. Biased.

    Args:
        length: L at most, and until something is known.
        bias: δ, the share of influence that may be cut off; below 1.
        estimate_every: steps between two measurements.
        losses: over which a measurement averages.
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.
        model: receives the gradient.
        task: the data of the measurements.
        engine: see `autograd.engines`.
        autocast: see `SegmentMethod`.
        boundary: likewise.
        auxiliary: likewise.

    Raises:
        UserError: a value out of range, an engine that the model does not have, or a boundary where nothing is cut off.
    """
    longest = checks.whole("method.length", length, at_least=1)
    bias = checks.number("method.bias", bias, above=0)
    if bias >= 1:
        raise UserError(f"method.bias must be below 1, all the influence there is; got {bias:g}")
    scheme = tbptt.build(length=longest, memory=memory)
    baseline.refuse_idle(boundary, scheme, task, Adaptive.name)
    segments = SegmentMethod(
        model=model, scheme=scheme, engine=engine, autocast=autocast, boundary=boundary, auxiliary=auxiliary
    )
    return Adaptive(
        segments=segments,
        model=model,
        task=task,
        longest=longest,
        bias=bias,
        every=checks.whole("method.estimate_every", estimate_every, at_least=1),
        losses=checks.whole("method.losses", losses, at_least=1),
    )
