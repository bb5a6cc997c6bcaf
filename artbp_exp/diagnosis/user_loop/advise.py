"""Diagnoses a training loop of your own: how biased its truncation is, and what ARTBP would cost instead."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd
from torch import nn

from artbp_exp import checks
from artbp_exp.diagnosis.clock import Clock
from artbp_exp.diagnosis.comparisons import with_updates_to_match
from artbp_exp.diagnosis.measure import LEAST_DRAWS
from artbp_exp.diagnosis.systematic_bias import with_systematic_bias
from artbp_exp.diagnosis.user_loop.report import Diagnosis, verdict
from artbp_exp.diagnosis.user_loop.study import Study, compared_with
from artbp_exp.diagnosis.user_loop.windows import check
from artbp_exp.diagnosis.user_loop.windows import windows as windows_of
from artbp_exp.errors import UserError
from artbp_exp.verification.progress import progress
from artbp_exp.verification.user_loop.float64_mode import float64
from artbp_exp.verification.user_loop.segment_loss import Parameters, SegmentLoss, named


def diagnose(
    segment_loss: SegmentLoss,
    parameters: Parameters,
    *,
    state: Any = None,
    steps: int = 400,
    lengths: Sequence[int] = (10, 25, 50, 100),
    alphas: Sequence[float] = (4, 6),
    windows: int = 4,
    starts: Sequence[int] | None = None,
    states: Iterable[Any] | None = None,
    draws: int = 64,
    budget: float | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Measures what truncation does to the gradient of a training loop of your own, and what ARTBP would do.

    The true gradient g is that of your code for `steps` steps as one segment. Held against it, at your own parameters:
    truncated BPTT of each length L (its error ‖ĝ − g‖/‖g‖, over offsets of the cuts, and the part of it that is the
    same in every window), and ARTBP of the same mean length and of the same memory (its variance over draws of the
    cuts, by the exact formula too where that takes a few seconds or `budget` has room for it, and N*, the updates that
    have to be averaged until it is nearer g than truncated BPTT); and how fast the influence of a state on later
    losses decays. Computed in float64; afterwards your parameters, their `.grad` and your module's buffers are as they
    were. artbp-diagnose measures the shipped models by the same code (docs/method.md explains the columns). A loop
    that `artbp.verify` refutes is refused, with the cause.

    Args:
        segment_loss: as for `artbp.verify`: (first step, counted from 0; segment; state before it) → (loss summed over
            the segment, state after it).
        parameters: a module, or its parameters, with or without their names.
        state: before the first window; None where `segment_loss` takes None.
        steps: T of a window, several times the longest of `lengths`.
        lengths: L of truncated BPTT, each below `steps`.
        alphas: exponents α > 2 of ARTBP.
        windows: windows of T steps, one after the other; your data need steps × windows steps. With 2 or more the
            systematic part of the error is separated from what averages out over data.
        starts: first step of each window instead, ascending; the loop is run from one to the next for the states.
        states: the state before each of `starts`, a list or an iterator: nothing is run in between then.
        draws: gradients for each ARTBP setting.
        budget: seconds that all of it may take: fewer draws, windows or lengths if need be, which `notes` says. None
            sets no limit.
        seed: of the cuts.

    Raises:
        UserError: a value out of range; `segment_loss` is random; `artbp.verify` refutes it; or `budget` is too short.

    Example:
        >>> print(artbp.diagnose(segment_loss, model, state=torch.zeros(8, 16), steps=400, lengths=[10, 35, 70]))
    """
    clock = Clock(None if budget is None else checks.number("budget", budget, above=0))
    steps, draws = checks.whole("steps", steps, at_least=8), checks.whole("draws", draws, at_least=LEAST_DRAWS)
    wanted = [checks.whole("lengths", length, at_least=1) for length in lengths]
    if not wanted or max(wanted) >= steps:
        raise UserError(f"lengths must name at least one length, each below steps={steps}; got {list(lengths)}")
    if not all(checks.number("alphas", alpha) > 2 for alpha in alphas):
        raise UserError(f"alphas must each be above 2; got {list(alphas)}: take 4 and 6")
    begins = _starts(starts, states, windows, steps)
    if not callable(segment_loss):
        raise UserError(
            f"segment_loss must be a function (start, segment, state) → (loss, next state); got {segment_loss!r}"
        )
    tensors = named(parameters)
    module = parameters if isinstance(parameters, nn.Module) else None
    grid = [(length, *one) for length in wanted for one in compared_with(length, [float(alpha) for alpha in alphas])]
    with float64(list(tensors.values()), module) as snapshot, progress(0, "passes") as bar:
        settings = {"parameters": tensors, "state": state, "steps": steps, "snapshot": snapshot, "module": module}
        each = windows_of(segment_loss, begins, states, bar, **settings)
        study = Study(next(each), clock, grid=grid, windows=len(begins), draws=draws, seed=seed)
        study.check_time()
        meant = list(check(study.first, module))
        study.measure([one for one in grid if one[3] is None])
        study.systematic(each)
        falls = study.influence(max(wanted))
        study.measure([one for one in grid if one[3] is not None])
        snapshot.put_back()
    # in the order of the grid, where all of it was measured
    table = pd.DataFrame([study.rows[index] for index in sorted(study.rows)])
    table = with_systematic_bias(table, study.lasting, float(study.first.truth.square().sum()))
    parts = [_compared(part, steps) for _, part in table.groupby("truncated", sort=False)]
    return Diagnosis(
        verdict=tuple(verdict(part, study.lasting.places, study.common) for part in parts),
        table=pd.concat(parts).drop(columns=["truncated", "unbiased"]).reset_index(drop=True),
        influence=falls,
        steps=steps,
        windows=study.lasting.places,
        notes=(*meant, *study.notes()),
    )


def _starts(starts: Sequence[int] | None, states: Iterable[Any] | None, windows: int, steps: int) -> list[int]:
    if starts is None:
        if states is not None:
            raise UserError("states goes with starts, the first step of each window; give both")
        return [steps * index for index in range(checks.whole("windows", windows, at_least=1))]
    found = [checks.whole("starts", start) for start in starts]
    apart = steps if states is None else 0
    if not found or any(later < start + apart for start, later in pairwise(found)):
        raise UserError(
            f"starts must be the first steps of windows of {steps} steps that do not overlap, ascending; got "
            f"{list(starts)}"
        )
    return found


def _compared(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Adds N* against the truncated BPTT of the group, the first row, in both comparisons."""
    again = rows[:1].assign(comparison="equal memory")
    return with_updates_to_match(pd.concat([rows, again]), steps)[: len(rows)]
