"""At full size, without a draw: prescribed cuts on the run's data and model, in float64, against an oracle of its own.

The learner that trains is handed the numbers that give these cuts, and its gradient must be, to rounding, that of the
compensated recursion, worked out by plain autograd from the hazard alone. Long segments go past `method.memory`, so
that what is recomputed piece by piece is tried, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artbp_exp.recurrent import RecurrentModel
from artbp_exp.theory.survival import carry_factors
from artbp_exp.truncation import Scheme
from artbp_exp.verification.exact import relative_bias
from artbp_exp.verification.lags import BEYOND, LEAST, longest
from artbp_exp.verification.lengths import along, promised
from artbp_exp.verification.oracle import compensated
from artbp_exp.verification.probe import Probe

TOLERANCE = 1e-11
"""Relative to a parameter's gradient: rounding in float64 of sums over hundreds of steps, amplified by the factors."""

MEANS, MEANS_IF_CHEAP = 4, 20
"""Mean lengths that the stretch is long at least; the second where it costs little."""

CHEAP = 1e7
"""Parameters × steps up to which the longer stretch costs little: seconds."""

CEILING = 2_000
"""Steps that the stretch is long at most."""

SHORT = 3
"""Steps of the short segments."""

EXPENSIVE = 3e8
"""Parameters × steps beyond which one pattern is tried, which has short segments and a long one, instead of three."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A pattern of cuts, and how far the learner's gradient is from the recursion's.

    Attributes:
        pattern: lengths of the segments, in steps.
        off: parameter → ‖ĝ − recursion‖ / ‖recursion‖.
        otherwise: how the learner cut in another way; None if it did not.
    """

    pattern: tuple[int, ...]
    off: dict[str, float]
    otherwise: str | None

    @property
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        if self.otherwise is not None:
            return f"at full size {self.otherwise}"
        worst = max(self.off, key=lambda name: self.off[name])
        if self.off[worst] < TOLERANCE:
            return None
        return (
            f"at full size, in segments of {' + '.join(map(str, self.pattern))} steps, the gradient of {worst} is off "
            f"by {self.off[worst]:.1e} from the compensated recursion"
        )


def stretch_of(scheme: Scheme, limit: int, parameters: int) -> int:
    """Steps on which the patterns are tried: 50 past the memory, 4 or 20 mean lengths, at least 100; at most `CEILING`.

    Args:
        scheme: of the run.
        limit: T of the run, in steps.
        parameters: of the model, which decide what a step costs.
    """
    length = round(scheme.length or 0)
    means = MEANS_IF_CHEAP if parameters * MEANS_IF_CHEAP * length <= CHEAP else MEANS
    wanted = max(LEAST, means * length, (scheme.memory or 0) + BEYOND)
    return min(wanted, limit, CEILING)


def size(model: RecurrentModel) -> int:
    """Parameters of a model."""
    return sum(p.numel() for p in model.parameters())


def patterns_of(scheme: Scheme, steps: int, parameters: int) -> list[tuple[int, ...]]:
    """No cut; one in the middle; a short segment, a long one and what is left. As near to that as the hazard allows.

    Args:
        scheme: decides which lengths there are.
        steps: of the stretch.
        parameters: of the model; with many, the last pattern only.
    """
    found = {_nearest(scheme, steps, wanted) for wanted in ((SHORT, steps - 2 * SHORT), (steps // 2,), ())}
    if parameters * steps > EXPENSIVE:
        found = {_nearest(scheme, steps, (SHORT, steps - 2 * SHORT))}
    return sorted(found)


def _nearest(scheme: Scheme, steps: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """The wanted lengths, or the nearest that can be drawn; then the longest that can, up to the end of the data."""
    most = longest(scheme, steps)
    ends = 1 + np.flatnonzero(scheme.hazard(np.arange(1, most + 1)) > 0)
    if not ends.size:
        return (steps,)
    left, pattern = steps, []
    for length in [*wanted, *[steps] * steps]:
        last = left <= most and length >= left
        if not last:
            length = int(ends[np.abs(ends - length).argmin()])
        if last or length >= left:
            break
        pattern.append(length)
        left -= length
    return (*pattern, left)


def prescribed(probe: Probe) -> list[Held]:
    """Holds the learner's gradient against the recursion's on each pattern.

    Args:
        probe: the run's model, in float64, on a stretch of its data.
    """
    scheme, steps = probe.scheme, probe.task.steps
    lengths, factors = promised(scheme, steps), carry_factors(scheme, steps).tolist()
    parameters = size(probe.model)
    held = []
    for pattern in patterns_of(scheme, steps, parameters):
        gradients, otherwise = along(probe, lengths, pattern)
        wanted = compensated(probe.model, probe.task, pattern, factors)
        held.append(Held(pattern=pattern, off=relative_bias(gradients, wanted), otherwise=otherwise))
    return held
