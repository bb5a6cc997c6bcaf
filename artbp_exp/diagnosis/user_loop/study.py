"""What is measured of a user's loop within the time there is."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.clock import Clock
from artbp_exp.diagnosis.comparisons import AGREE
from artbp_exp.diagnosis.measure import MOST_OFFSETS, measure
from artbp_exp.diagnosis.systematic_bias import OFFSETS, Systematic, systematic_bias
from artbp_exp.diagnosis.user_loop.formula import LAGS, PLACES, STATES, crossings, influence, passes_to_predict
from artbp_exp.diagnosis.user_loop.windows import Window
from artbp_exp.errors import UserError
from artbp_exp.theory.stored_steps import length_for_stored_steps
from artbp_exp.truncation import Scheme, artbp, tbptt

CHECK = 14
"""Passes that the check of the loop takes, and two more for each parameter."""
PATIENCE = 10.0
"""Seconds that predicting the variances, or following influence, may take where there is no budget."""
WINDOWS, PREDICTING = 0.3, 0.3
"""Shares of the time left that further windows, and predicting, may take."""

Setting = tuple[int, str, Scheme, float | None]
"""Truncation length to compare with, comparison, scheme, α."""


def compared_with(length: int, alphas: Sequence[float]) -> Iterator[tuple[str, Scheme, float | None]]:
    """Truncated BPTT of a length, ARTBP of the same mean length, and ARTBP that stores as many steps on average."""
    yield "length", tbptt.build(length=length), None
    if length == 1:
        return  # at a mean length of 1 ARTBP is truncated BPTT
    for alpha in alphas:
        yield "length", _paper(alpha, length), alpha
    for alpha in alphas:
        if alpha > 3:
            shorter = length_for_stored_steps(partial(_paper, alpha), (length - 1) / 2)
            yield "equal memory", _paper(alpha, shorter), alpha


def _paper(alpha: float, length: float) -> Scheme:
    return artbp.build(length=length, alpha=alpha)


def _patience(share: float) -> float:
    return share if share < float("inf") else PATIENCE


class Study:
    """What is measured within the time there is: truncated BPTT first, then other windows, ARTBP last.

    `grid`, `windows` and `draws` (gradients for each setting of ARTBP) are what is wanted.
    """

    def __init__(
        self, first: Window, clock: Clock, *, grid: Sequence[Setting], windows: int, draws: int, seed: int
    ) -> None:
        self.first, self._clock, self._draws, self._seed = first, clock, draws, seed
        self._grid, self._wanted = grid, windows
        self.rows: dict[int, dict[str, Any]] = {}
        self.lasting = Systematic()
        self._pass = first.loop.quickest
        self._predicts = False

    def check_time(self) -> None:
        """Refuses a budget that is over before anything is measured; else says how many passes are to come."""
        random = sum(alpha is not None for _, _, _, alpha in self._grid)
        predicting = passes_to_predict(self.first.loop.steps) * random
        certain = (MOST_OFFSETS + OFFSETS * (self._wanted - 1)) * (len(self._grid) - random) + self._wanted - 1
        rest = certain + self._draws * random
        self._predicts = self._pass * predicting <= _patience(PREDICTING * self._clock.left)
        check = CHECK + 2 * len(self.first.loop.parameters)
        least = self._pass * (check + 1)
        if self._clock.left < least:
            raise UserError(
                f"budget is over before anything is measured: a pass over {self.first.loop.steps} steps takes "
                f"{self._pass:.2g} s, and one length some {least:.2g} s; take a larger budget, or fewer steps"
            )
        bar = self.first.loop.bar
        if bar is not None:
            bar.total = bar.n + check + rest + predicting * self._predicts
            bar.refresh()

    def measure(self, settings: list[Setting]) -> None:
        """Adds a row for each setting that there is time for; each has its share of what is left."""
        loop = self.first.loop
        for index, (length, comparison, scheme, alpha) in enumerate(settings):
            if self.rows and self._clock.left <= 0:
                return
            place = self._grid.index((length, comparison, scheme, alpha))
            share = 1 / (len(settings) - index) if alpha is not None else 0.5 / (len(settings) - index)
            loop.quickest = float("inf")
            row = measure(
                loop,
                scheme,
                self.first.truth,
                crossed=crossings(loop, scheme) if self._predicts else None,
                streams=1,
                draws=self._draws,
                starts=PLACES,
                batch_size=1,
                rng=np.random.default_rng((self._seed, place)),
                enough=self._clock.share(share),
            )
            named_as = {"method": scheme.name, "length": scheme.length, "alpha": alpha, "reweight": True, "every": 1}
            schedule = {"truncated": length, "comparison": comparison, "schedule": "paper" if alpha else None}
            self.rows[place] = schedule | named_as | row | {"seconds_per_step": loop.quickest / loop.steps}

    def systematic(self, others: Iterator[Window]) -> None:
        """Measures truncated BPTT's systematic bias over as many windows as there is time for, of two or more."""
        if self._wanted == 1:
            return
        lengths = [int(row["length"]) for row in self.rows.values() if row["alpha"] is None]
        places = ((window.loop, window.truth) for window in chain([self.first], others))
        rng = np.random.default_rng(self._seed)
        self.lasting = systematic_bias(places, lengths, rng=rng, enough=self._clock.share(WINDOWS))

    @property
    def common(self) -> float:
        """Share of the first window's ‖g‖ that all windows' gradients have in common; 1 of a single window."""
        share = self.lasting.common / float(self.first.truth.square().sum())
        return 1.0 if math.isnan(share) else min(1.0, max(0.0, share) ** 0.5)

    def influence(self, longest: int) -> pd.DataFrame:
        """Out to twice the longest length of truncation; nothing if there is no time for it."""
        loop = self.first.loop
        lag = min(2 * longest, loop.steps - 1)
        # two passes a lag, which end early
        if self._pass * STATES * LAGS > _patience(0.1 * self._clock.left):
            return pd.DataFrame(columns=["lag", "influence", "low", "high"])
        return influence(loop, lag, np.random.default_rng(self._seed))

    def notes(self) -> Iterator[str]:
        """How the results are less sure than what was asked for."""
        drawn = [row["draws"] for row in self.rows.values() if row["alpha"] is not None]
        said = []
        if drawn and min(drawn) < self._draws:
            said.append(f"{min(drawn)} to {max(drawn)} draws instead of {self._draws}")
        if self.lasting.places < self._wanted:
            said.append(f"{self.lasting.places} of {self._wanted} windows")
        if missing := len(self._grid) - len(self.rows):
            said.append(f"{missing} of {len(self._grid)} settings not measured")
        if any(row["alpha"] is not None and row["variance"] < AGREE for row in self.rows.values()):
            yield "in some rows all draws of ARTBP gave one gradient: no cut fell where it matters; take more draws"
        if said:
            yield f"the budget ended it early ({', '.join(said)}): intervals are wider than they would be"
        if not self._predicts:
            yield (
                "variances are not predicted by the exact formula, which would take too long (a budget gives it 0.3 of "
                "the time): with few draws and a small α the measured ones can miss the longest segments"
            )
