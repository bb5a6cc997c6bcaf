"""Learning-rate schedules in steps of data: a function of the step alone, so that nothing needs to be resumed."""

import math
from collections.abc import Callable
from functools import partial

from artbp_exp import checks
from artbp_exp.errors import UserError

Rate = Callable[[float], float]
"""Steps of data since the start of the run → multiplier of the learning rate."""

SCHEDULES = ("constant", "linear", "cosine")


def make_schedule(schedule: str, warmup: int, total_steps: int | None) -> Rate | None:
    """The multiplier of the learning rate, None where it is 1 throughout; `warmup` and `total_steps` are steps of data.

    A linear rise from 0 over `warmup` steps, then the schedule: `constant`; `linear`, which falls to 0 at the end of
    the run; or `cosine`, half a cosine to 0.
    """
    checks.choice("optimizer.schedule", schedule, SCHEDULES)
    warmup = checks.whole("optimizer.warmup", warmup)
    if schedule == "constant" and not warmup:
        return None
    if total_steps is None:
        raise UserError(f"optimizer.schedule={schedule} needs the run's number of steps: total_steps=…")
    if warmup >= total_steps:
        raise UserError(f"optimizer.warmup={warmup} must be less than the run's {total_steps} steps of data")
    return partial(_rate, schedule, warmup, total_steps)


def _rate(schedule: str, warmup: int, total: int, step: float) -> float:
    if step < warmup:
        return step / warmup
    done = min(1.0, (step - warmup) / (total - warmup))
    return {"constant": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}[schedule]
