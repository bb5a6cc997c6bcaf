"""A truncation scheme is one hazard function: where to cut, and what the carried gradient is worth."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from artbp_exp.checks import whole
from artbp_exp.errors import UserError

Floats = NDArray[np.float64]
Hazard = Callable[[NDArray[np.int64]], Floats]
CutPattern = tuple[tuple[int, ...], float]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Consecutive steps that one gradient is computed on.

    Attributes:
        length: n ≥ 1, in steps.
        factors: shape (n − 1,), float64; `factors[d − 1]` multiplies the gradient that flows from
            step d + 1 of the segment back into the state after step d, and nothing else.
        memory: steps whose intermediate results are kept at a time, see `Scheme`.
    """

    length: int
    factors: Floats
    memory: int | None = None

    def factor(self, index: int) -> float:
        """What the gradient is multiplied by that flows back into the state after step `index` (counted from 0).

        The last step has none, its state is cut: 1, so that a loop may pass every state through `carry`.

        Raises:
            UserError: the segment has no such step.
        """
        if not 0 <= index < self.length:
            raise UserError(f"the segment has steps 0 to {self.length - 1}; got step {index}: count from its start")
        return float(self.factors[index]) if index + 1 < self.length else 1.0

    def part(self, start: int, stop: int) -> "Segment":
        """Steps `start` … `stop` − 1, with the factors between them; where it is not the whole, its memory holds it."""
        length = stop - start
        memory = length if length < self.length else None
        return Segment(length=length, factors=self.factors[start : stop - 1], memory=memory)


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A truncation scheme: its hazard c(d) is the probability that a segment ends after its d-th step.

    The carry factor after step d, where no cut was made, is 1 / (1 − c(d)) if `reweight`, else 1: with it
    the gradient is unbiased whatever the hazard (Tallec & Ollivier 2017, arXiv 1705.08209, Proposition 1).

    Attributes:
        name: of the method, as in `conf/method`.
        length: truncation length L, or the mean length L0, in steps; None where no cut is ever made.
        hazard: maps lags d = 1, 2, … (int64, shape (N,)) to c(d) in [0, 1] (float64, shape (N,)).
        reweight: whether the gradient that is carried on is compensated.
        memory: steps whose intermediate results are stored at a time; of a longer segment the others are computed
            twice (gradient checkpointing), with the same gradient. None stores them all.
        first: the scheme of the first segment of a pass, where it differs: with a first cut at a random place, say,
            truncated BPTT cuts elsewhere in each pass. None: the first segment is as all the others.
    """

    name: str
    length: float | None
    hazard: Hazard
    reweight: bool = True
    memory: int | None = None
    first: "Scheme | None" = None
    _table: "_Table" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.memory is not None:
            object.__setattr__(self, "memory", whole("memory", self.memory, at_least=1))
        object.__setattr__(self, "_table", _Table(self))

    def factors(self, count: int) -> Floats:
        """Carry factors after steps 1 … `count` of a segment that goes on: shape (count,), float64."""
        return self._table.upto(count).factors[:count]

    def survival(self, count: int) -> Floats:
        """P(length > n) = Π_{d ≤ n} (1 − c(d)) for n = 0 … `count`: shape (count + 1,), float64."""
        return self._table.upto(count).survival[: count + 1]

    def segment(self, length: int) -> Segment:
        """The segment of a given `length` ≥ 1 (steps), with this scheme's factors.

        Raises:
            UserError: `length` is not a whole number ≥ 1.
        """
        length = whole("length of a segment", length, at_least=1)
        return Segment(length=length, factors=self.factors(length - 1), memory=self.memory)

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        """Draws the length of the next segment, in steps, by inverting P(length > n).

        One number is taken from `rng` whatever comes out, so the stream of cuts does not depend on
        `limit`. At `limit` (the end of the data) a segment ends without a draw, which biases nothing.
        """
        threshold = 1.0 - rng.random()  # in (0, 1]: a survival of 0 is always below it
        known = 0
        while known < limit:
            known = min(limit, max(64, 2 * known))
            survival = self.survival(known)
            if survival[known] < threshold:
                # the first n ≥ 1 whose survival is below the threshold
                return int(np.searchsorted(-survival, -threshold, side="right"))
        return limit

    def at(self, start: int) -> "Scheme":
        """The scheme of the segment that begins at step `start` of a pass: `first` at its beginning, else this one."""
        return self.first if start == 0 and self.first is not None else self

    def cut(self, lengths: Iterable[int]) -> list[Segment]:
        """The segments of a pass that has been cut into these lengths, in order."""
        made: list[Segment] = []
        for length in lengths:
            made.append((self if made else self.at(0)).segment(length))
        return made

    def segments(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Segment]]:
        """Draws the segments of a pass, one after the other, each when it is asked for.

        Args:
            steps: T ≥ 1, length of the sequence; its end ends the last segment without a draw.
            rng: the stream of the cuts, and of nothing else; one number is taken for each segment.
            start: steps of the pass that are done already, at the end of a segment; the rest is drawn.

        Yields:
            (the step at which it starts, counted from 0; the segment).

        Raises:
            UserError: `steps` is not a whole number ≥ 1, `start` not one ≥ 0, or `rng` has no `random()`.
        """
        steps, start = whole("steps", steps, at_least=1), whole("start", start)
        if not callable(getattr(rng, "random", None)):
            raise UserError(f"rng must be a numpy.random.Generator, np.random.default_rng(0) say; got {rng!r}")
        while start < steps:
            scheme = self.at(start)
            segment = scheme.segment(scheme.draw(rng, steps - start))
            yield start, segment
            start += segment.length

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Segment, ...], float]]:
        """Every way to cut a pass of T = `steps` steps, with its probability; see `enumerate_cuts`."""
        for lengths, probability in enumerate_cuts(self, steps):
            yield tuple(self.cut(lengths)), probability


class _Table:
    """Hazards computed once and kept: factors and survival up to the longest lag asked for."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self.factors: Floats = np.empty(0)
        self.survival: Floats = np.ones(1)

    def upto(self, lag: int) -> "_Table":
        if lag > self.factors.size:
            size = max(lag, 2 * self.factors.size, 64)
            hazard = np.asarray(self._scheme.hazard(np.arange(1, size + 1)), dtype=np.float64)
            if hazard.shape != (size,):
                raise UserError(
                    f"hazard of {self._scheme.name} must map lags of shape (N,) to probabilities of shape (N,); "
                    f"it returned shape {hazard.shape} for N = {size}"
                )
            if not ((hazard >= 0) & (hazard <= 1)).all():
                raise UserError(f"hazard of {self._scheme.name} must lie in [0, 1] at every lag; it does not")
            keep = 1.0 - hazard
            self.survival = np.concatenate([[1.0], np.cumprod(keep)])
            # where c = 1 the segment always ends: no gradient is carried, and 1 is as good as any factor
            carried = np.divide(1.0, keep, out=np.ones_like(keep), where=keep > 0)
            self.factors = carried if self._scheme.reweight else np.ones_like(keep)
        return self


def enumerate_cuts(scheme: Scheme, steps: int) -> Iterator[CutPattern]:
    """Yields every way to cut `steps` steps into segments that has a probability above 0.

    The end of the data ends the last segment without a draw. The probabilities sum to 1.

    Args:
        scheme: whose hazard decides.
        steps: T ≥ 1; keep it small (see `count_cuts`), the number of ways can double with each step.

    Yields:
        (lengths of the segments in order, probability).
    """
    usual, first = (s.hazard(np.arange(1, steps + 1)).tolist() for s in (scheme, scheme.at(0)))

    def after(done: tuple[int, ...], left: int, probability: float) -> Iterator[CutPattern]:
        hazard = usual if done else first
        for length in range(1, left):
            if hazard[length - 1] > 0:
                yield from after((*done, length), left - length, probability * hazard[length - 1])
            probability *= 1.0 - hazard[length - 1]
            if probability == 0:
                return
        yield (*done, left), probability

    return after((), steps, 1.0)


def count_cuts(scheme: Scheme, steps: int, *, most: float = np.inf) -> list[int]:
    """How many ways `enumerate_cuts` yields for 1, 2, … `steps` steps; stops at the first count above `most`."""
    usual, first = (_places(s, steps) for s in (scheme, scheme.at(0)))
    ways, found = [0], []  # ways[n] to cut n steps of which the first does not begin a pass
    for left in range(1, steps + 1):
        counts = [
            sum(ways[left - lag] for lag in places if lag < left) + (left <= longest)
            for places, longest in (usual, first)
        ]
        ways.append(counts[0])
        found.append(counts[1])
        if found[-1] > most:
            break
    return found


def _places(scheme: Scheme, steps: int) -> tuple[list[int], int]:
    """The lags 1 … `steps` at which a segment can be cut, and the last step that a segment can have."""
    hazard = scheme.hazard(np.arange(1, steps + 1))
    longest = int((hazard == 1).argmax()) + 1 if (hazard == 1).any() else steps
    return [lag for lag in (np.flatnonzero(hazard > 0) + 1).tolist() if lag <= longest], longest
