"""Diagnoses a training loop of your own: how biased its truncation is, and what ARTBP would cost instead."""

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from artbp_exp import checks
from artbp_exp.autograd import detach
from artbp_exp.diagnosis.comparisons import with_updates_to_match
from artbp_exp.diagnosis.measure import ENDS, as_vector, at_offsets, drawn, measure, vector
from artbp_exp.diagnosis.systematic_bias import OFFSETS, common_bias
from artbp_exp.diagnosis.user_report import Diagnosis, verdict
from artbp_exp.errors import UserError
from artbp_exp.theory.stored_steps import length_for_stored_steps
from artbp_exp.training.gradient import gradient
from artbp_exp.truncation import Scheme, Segment, artbp, tbptt
from artbp_exp.verification.user_loop.float64_mode import float64
from artbp_exp.verification.user_loop.segment_loss import ATTACHED, Parameters, SegmentLoss, UserLoop, named, plain

SAME = 1e-9
"""Relative difference below which two passes gave the same."""
LEAST_DRAWS = 8


def diagnose(
    segment_loss: SegmentLoss,
    parameters: Parameters,
    *,
    state: Any = None,
    steps: int = 400,
    lengths: Sequence[int] = (10, 25, 50, 100),
    alphas: Sequence[float] = (4, 6),
    windows: int = 4,
    draws: int = 64,
    budget: float | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Measures what truncation does to the gradient of a training loop of your own, and what ARTBP would do.

    The true gradient g is that of your code for `steps` steps as one segment. Held against it, at your own parameters:
    truncated BPTT of each length L (its error ‖ĝ − g‖/‖g‖, over offsets of the cuts, and the part of it that is the
    same in every window), and ARTBP of the same mean length and of the same memory (its variance over draws of the
    cuts, and N*, the updates that have to be averaged until it is nearer g than truncated BPTT). Computed in float64;
    afterwards your parameters, their `.grad` and your module's buffers are as they were. artbp-diagnose measures the
    shipped models by the same code (docs/method.md explains the columns).

    Args:
        segment_loss: as for `artbp.verify`, which should have certified it: (first step, counted from 0; segment;
            state before it) → (loss summed over the segment, state after it).
        parameters: a module, or its parameters, with or without their names.
        state: before the first step; None where `segment_loss` takes None.
        steps: T of a window, several times the longest of `lengths`.
        lengths: L of truncated BPTT, each below `steps`.
        alphas: exponents α > 2 of ARTBP.
        windows: windows of T steps, one after the other; your data need steps × windows steps. With 2 or more the
            systematic part of the error is told apart from what averages out over data.
        draws: gradients for each ARTBP setting.
        budget: seconds; with fewer draws (at least 8) if need be, hence wider intervals. None sets no limit.
        seed: of the cuts.

    Raises:
        UserError: a value out of range; `segment_loss` is random, or does not detach the state; or cuts change its
            loss.

    Example:
        >>> print(artbp.diagnose(segment_loss, model, state=torch.zeros(8, 16), steps=400, lengths=[10, 35, 70]))
    """
    steps = checks.whole("steps", steps, at_least=8)
    windows, draws = checks.whole("windows", windows, at_least=1), checks.whole("draws", draws, at_least=LEAST_DRAWS)
    budget = None if budget is None else checks.number("budget", budget, above=0)
    wanted = [checks.whole("lengths", length, at_least=1) for length in lengths]
    if not wanted or max(wanted) >= steps:
        raise UserError(f"lengths must name at least one length, each below steps={steps}; got {list(lengths)}")
    if not callable(segment_loss):
        raise UserError(
            f"segment_loss must be a function (start, segment, state) → (loss, next state); got {segment_loss!r}"
        )
    tensors = named(parameters)
    module = parameters if isinstance(parameters, nn.Module) else None
    with float64(list(tensors.values()), module) as snapshot:
        loops = list(_windows(segment_loss, tensors, state, steps, windows, snapshot))
        began = time.perf_counter()
        truths = [vector(loop, [plain(steps)]) for loop in loops]
        seconds = (time.perf_counter() - began) / windows
        _check(loops[0], truths[0], min(wanted))
        grid = [(length, *one) for length in wanted for one in _grid(length, [float(alpha) for alpha in alphas])]
        if budget is not None:
            random = sum(scheme.name == "artbp" for _, _, scheme, _ in grid)
            draws = int(min(draws, max(LEAST_DRAWS, budget / max(seconds * random, 1e-9))))
        rows = []
        for index, (length, comparison, scheme, alpha) in enumerate(_bar(grid)):
            rng = np.random.default_rng((seed, index))
            row = measure(
                loops[0], scheme, truths[0], crossings=None, streams=1, draws=draws, starts=0, batch_size=1, rng=rng
            )
            spent = _seconds(loops[0], scheme, rng) / steps
            named_as = {"method": scheme.name, "length": scheme.length, "alpha": alpha, "reweight": True, "every": 1}
            schedule = {"truncated": length, "comparison": comparison, "schedule": "paper" if alpha else None}
            systematic = {} if alpha else _systematic(loops, truths, scheme, row, seed)
            rows.append({**schedule, **named_as, **row, **systematic, "seconds_per_step": spent})
        snapshot.put_back()
    parts = [_compared(part, steps) for _, part in pd.DataFrame(rows).groupby("truncated", sort=False)]
    return Diagnosis(
        verdict=tuple(verdict(part, windows) for part in parts),
        table=pd.concat(parts).drop(columns=["truncated", "unbiased"]).reset_index(drop=True),
        steps=steps,
        windows=windows,
    )


def _seconds(loop: UserLoop, scheme: Scheme, rng: np.random.Generator) -> float:
    """Of one pass over the window, the quickest of three."""
    outcomes = [list(drawn(scheme, loop.steps, rng)) for _ in range(3)]
    took = []
    for outcome in outcomes:
        began = time.perf_counter()
        gradient(loop, outcome)
        took.append(time.perf_counter() - began)
    return min(took)


def _bar(grid: list[Any]) -> "tqdm[Any]":
    return tqdm(grid, unit=" settings", leave=False, disable=not sys.stderr.isatty())


def _compared(rows: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Adds N* against the truncated BPTT of the group, the first row, in both comparisons."""
    again = rows[:1].assign(comparison="equal memory")
    return with_updates_to_match(pd.concat([rows, again]), steps)[: len(rows)]


def _windows(
    segment_loss: SegmentLoss, tensors: dict[str, Tensor], state: Any, steps: int, windows: int, snapshot: Any
) -> Iterator[UserLoop]:
    """The loop over each window, which begins at the state that the one before ends with."""
    for index in range(windows):
        shifted = partial(_from, segment_loss, index * steps)
        loop = UserLoop(segment_loss=shifted, parameters=tensors, state=state, steps=steps, snapshot=snapshot)
        yield loop
        if index + 1 < windows:
            state = detach(gradient(loop, [plain(steps)]).carry.state)


def _from(
    segment_loss: SegmentLoss, first: int, start: int, segment: Segment, state: Any
) -> tuple[Tensor | float, Any]:
    return segment_loss(first + start, segment, state)


def _check(loop: UserLoop, truth: Tensor, length: int) -> None:
    """Refuses what cannot be compared: a loop that is not repeatable, or not detached, or whose loss cuts change."""
    if not truth.norm() > 0:
        raise UserError("the loss has no gradient with respect to any of the parameters: there is nothing to diagnose")
    whole = gradient(loop, [plain(loop.steps)])
    if float((as_vector(whole.gradient) - truth).norm()) > SAME * float(truth.norm()):
        raise UserError(
            "the same segment twice gave different gradients: segment_loss draws from a generator of its own, or keeps "
            "something from call to call that is not in the module; hand it on in the state"
        )
    cut = gradient(loop, at_offsets(tbptt.build(length=length), loop.steps)[-1])
    if cut.carry.attached:
        raise UserError(ATTACHED)
    if abs(cut.loss - whole.loss) > SAME * abs(whole.loss):
        raise UserError(
            f"cuts change the loss of segment_loss: {whole.loss:.6g} uncut, {cut.loss:.6g} in segments of {length} "
            f"steps; return the sum over the segment's steps and the state after it, and see what artbp.verify says"
        )


def _grid(length: int, alphas: Sequence[float]) -> Iterator[tuple[str, Scheme, float | None]]:
    """Truncated BPTT of a length, ARTBP of the same mean length, and ARTBP that stores as many steps on average."""
    yield "length", tbptt.build(length=length), None
    for alpha in alphas:
        yield "length", _paper(alpha, length), alpha
    for alpha in alphas:
        if alpha > 3 and length > 1:
            shorter = length_for_stored_steps(partial(_paper, alpha), (length - 1) / 2)
            yield "equal memory", _paper(alpha, shorter), alpha


def _paper(alpha: float, length: float) -> Scheme:
    return artbp.build(length=length, alpha=alpha)


def _systematic(
    loops: Sequence[UserLoop], truths: Sequence[Tensor], scheme: Scheme, row: dict[str, Any], seed: int
) -> dict[str, float]:
    """`bias2_lasting` of truncated BPTT over windows, relative to the squared gradient of the first."""
    if len(loops) == 1:
        return {f"bias2_lasting{end}": row[f"bias2{end}"] for end in ENDS}
    errors = []
    for index, (loop, truth) in enumerate(zip(loops, truths, strict=True)):
        passes = at_offsets(scheme, loop.steps)
        chosen = [passes[(OFFSETS * index + k) % len(passes)] for k in range(min(OFFSETS, len(passes)))]
        errors.append(torch.stack([vector(loop, outcome) for outcome in chosen]).mean(dim=0) - truth)
    found = common_bias(errors, truths[0], rng=np.random.default_rng(seed))
    return {f"bias2_lasting{end}": found[f"bias2{end}"] / float(truths[0].square().sum()) for end in ENDS}
