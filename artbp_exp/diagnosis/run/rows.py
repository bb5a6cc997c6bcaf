"""The rows of `methods.csv`: each distinct method of the grid is measured once, within the time there is."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from artbp_exp.diagnosis.clock import Clock
from artbp_exp.diagnosis.measure import (
    LEAST_DRAWS,
    MOST_OFFSETS,
    as_vector,
    drawn,
    is_predicted,
    is_random,
    measure,
    vector,
)
from artbp_exp.diagnosis.run.checkpoint import Checkpoint
from artbp_exp.diagnosis.run.crossings import crossings
from artbp_exp.diagnosis.run.grid import COMPARED, Grid, Settings
from artbp_exp.diagnosis.words import line
from artbp_exp.errors import UserError
from artbp_exp.methods import Method, make_method
from artbp_exp.run_config import RunConfig
from artbp_exp.theory.predicted_variance import lag_edges
from artbp_exp.training.experiment import refuse_cuts
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.verification.oracle import Full
from artbp_exp.verification.progress import progress, seconds_of

LEAST_STARTS = 4
"""Places that an interval of the predicted variance takes, at least."""
ROWS = 0.9
"""Share of the time left that is planned for; the rest is for what takes longer than expected, and for figures."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method of the grid with its settings, and the comparisons that it is in."""

    settings: Settings
    method: Method
    comparisons: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured of each method, and how long that takes.

    Attributes:
        draws: gradients.
        starts: places from which the variance is predicted.
        seconds: that all of it takes, about.
        whole: that it would take without a limit.
    """

    draws: int
    starts: int
    seconds: float
    whole: float


def candidates(grid: Grid, checkpoint: Checkpoint, config: RunConfig) -> list[Candidate]:
    """The distinct methods of the grid; prints why others cannot be built, or raises for one of `COMPARED`."""
    model, task = checkpoint.model, checkpoint.task
    found: dict[tuple[Any, ...], Candidate] = {}
    for comparison, settings in grid:
        with leaving_out(settings):
            if key(settings) not in found:
                method = make_method(settings, model=model, task=task, engine=config.engine)
                refuse_cuts(model, method, task.steps, config.model.name)
                found[key(settings)] = Candidate(settings=settings, method=method)
            found[key(settings)].comparisons.append(comparison)
    return list(found.values())


@contextmanager
def leaving_out(settings: Settings) -> Iterator[None]:
    """Within it a method that cannot be measured is left out, with the reason; one of `COMPARED` is an error."""
    try:
        yield
    except UserError as error:
        if settings["name"] in COMPARED:
            raise
        where = f" at length {settings['length']:g}" if "length" in settings else ""
        tqdm.write(f"left out: {settings['name']}{where}: {error}")


def key(settings: Settings) -> tuple[Any, ...]:
    """The same for the same settings."""
    return tuple(sorted(settings.items()))


def affordable(
    several: Sequence[Candidate], checkpoint: Checkpoint, full: Full, clock: Clock, *, draws: int, starts: int
) -> Effort:
    """As many draws and starts as the time left has room for, by the times of one draw and of one place."""
    steps, rng = checkpoint.task.steps, np.random.default_rng(0)
    first = several[0].method
    draw = seconds_of(lambda: vector(loop_of(first, checkpoint), drawn(first, steps, rng)))
    random = sum(is_random(one.method.scheme, steps) for one in several)
    predicted = [one.method.scheme for one in several if is_predicted(one.method.scheme, steps)]
    place = 0.0
    if predicted and predicted[0] is not None:
        middle = steps // 2
        stops = (middle + lag_edges(steps - 1 - middle)[1:]).tolist()
        crossed = crossings(checkpoint.model, full, predicted[0], streams=checkpoint.task.batch_size)
        place = seconds_of(lambda: crossed(middle, stops))

    def seconds(draws: int, starts: int) -> float:
        certain = MOST_OFFSETS * (len(several) - random)
        return draw * (certain + draws * random) + place * starts * len(predicted)

    whole = seconds(draws, starts)
    draws = clock.affords(draws, whole, least=LEAST_DRAWS, of=ROWS)
    starts = clock.affords(starts, whole, least=LEAST_STARTS, of=ROWS)
    return Effort(draws=draws, starts=starts, seconds=seconds(draws, starts), whole=whole)


def measured(
    several: Sequence[Candidate],
    checkpoint: Checkpoint,
    full: Full,
    effort: Effort,
    clock: Clock,
    *,
    seed: int,
) -> Iterator[tuple[Candidate, dict[str, Any] | None]]:
    """Each method with its row as soon as it is there, with random numbers of its own; until the time is over.

    A method that cannot be measured has None in the place of a row.
    """
    done = 0
    # the bar is for a terminal only
    with progress(len(several), "settings") as bar:
        for one in several:
            if done and clock.left <= 0:
                return
            row = None
            with leaving_out(one.settings):
                rng = np.random.default_rng((seed, done))
                row = measure_at(checkpoint, full, one, effort=effort, clock=clock, rng=rng)
                done += 1
                tqdm.write(line(one.comparisons, row))
                sys.stdout.flush()
            yield one, row
            bar.update()


def measure_at(
    checkpoint: Checkpoint, full: Full, one: Candidate, *, effort: Effort, clock: Clock, rng: np.random.Generator
) -> dict[str, Any]:
    """The row of `methods.csv` of one method; see `measure`."""
    settings, scheme, streams = one.settings, one.method.scheme, checkpoint.task.batch_size
    row = measure(
        loop_of(one.method, checkpoint),
        one.method,
        as_vector(full.gradient),
        crossed=None if scheme is None else crossings(checkpoint.model, full, scheme, streams=streams),
        streams=streams,
        draws=effort.draws,
        starts=effort.starts,
        batch_size=checkpoint.batch_size,
        rng=rng,
        enough=clock.share(1.0),
    )
    return {
        "length": settings.get("length", None if scheme is None else scheme.length),
        "schedule": settings.get("schedule", settings.get("phase")),
        "alpha": settings.get("alpha"),
        "reweight": scheme is None or scheme.reweight,
        "every": settings.get("every", 1),
        "method": settings["name"],
        **row,
    }


def loop_of(method: Method, checkpoint: Checkpoint) -> TaskLoop:
    """The method on the window of data."""
    return TaskLoop(task=checkpoint.task, method=method, trainables=checkpoint.model)
