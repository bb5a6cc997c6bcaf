"""Target propagation through time: free states between blocks of steps, and springs in the place of a gradient.

A window of N blocks of L steps is run from free states h_1 … h_{N−1}, and from the carried state h_0; F_b is the end of
block b when it begins at h_{b−1}, and u_b a multiplier:

    A(h, u, θ) = Σ_b ℓ_b(h_{b−1}) + λ/2 Σ_{b<N} ‖F_b(h_{b−1}) − h_b + u_b‖²

At a minimum over h, λ(F_b − h_b + u_b) obeys the recursion of BPTT's gradient that arrives at the end of block b. So
∂A/∂θ there is BPTT's gradient, but for what the gaps F_b − h_b change: an error of order 1/λ. No gradient crosses a
block, and all blocks run side by side. Where h are the forward states and u = 0, ∂A/∂θ is truncated BPTT's gradient.

Wiseman et al. (2017, arXiv 1702.04770), after its authors' code; their outcome is negative. Here ℓ_b is not divided by
L, h and u begin anew with each window, at the forward states and 0, since parameters have changed between two windows,
and a window makes one update. The carried state and the loss that is reported are those of a forward pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd.engines import find_engine
from artbp_exp.autograd.state import fill, leaves, numbers
from artbp_exp.methods.base import Claim, Draw, Loss, Method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Segment

SOLVERS = ("penalty", "admm", "alm")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of the relaxation; see `build`."""

    solver: str
    strength: float
    length: int
    blocks: int
    state_steps: int
    state_rate: float
    rounds: int
    multiplier_rate: float


@dataclass(frozen=True)
class Window:
    """The steps of one update."""

    length: int


class TargetPropagation(Method):
    """Target propagation as above; `settings` are those of the relaxation."""

    name = "tprop"

    def __init__(self, *, model: RecurrentModel, engine: str, settings: Settings) -> None:
        self._model, self._own = model, settings
        self.engine, self._run = find_engine(engine, model)

    def begin(self, batch_size: int) -> Any:
        """The model's initial state."""
        return self._model.init_state(batch_size)

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """Windows of N·L steps; the last has the remainder."""
        size = self._own.blocks * self._own.length
        for first in range(start, steps, size):
            yield first, Window(min(size, steps - first))

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Nothing is drawn."""
        yield tuple(draw for _, draw in self.draws(steps, np.random.default_rng(0))), 1.0

    def claim(self, steps: int) -> Claim:
        """Exact within one block."""
        return Claim.EXACT if steps <= self._own.length else Claim.BIASED

    def stored_numbers(self, steps: int) -> float:
        """The states of all blocks of a window, and a free state and a multiplier between two blocks."""
        size = min(self._own.blocks * self._own.length, steps)
        between = -(-size // self._own.length) - 1
        return float((size + 2 * between) * numbers(self._model.init_state(1)))

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`."""
        own = self._own
        blocks = Relaxation(self._run, self._model, inputs, targets, loss, own)
        value, last, free = blocks.forward(carry)
        multipliers = [torch.zeros_like(part) for part in free]
        steps = own.rounds * own.state_steps if free else 0
        joint = own.solver == "alm" and steps > 0
        for index in range(steps):
            if index and index % own.state_steps == 0 and own.solver != "penalty":
                gaps = blocks.gaps(carry, free)
                multipliers = [u + own.multiplier_rate * gap for u, gap in zip(multipliers, gaps, strict=True)]
            free = [part.requires_grad_() for part in free]
            lagrangian = blocks.lagrangian(carry, free, multipliers)
            if joint:
                lagrangian.backward(torch.full_like(lagrangian, 1 / steps))
                slopes = [steps * part.grad for part in free if part.grad is not None]
            else:
                slopes = list(torch.autograd.grad(lagrangian, free))
            rate = own.state_rate * blocks.streams / own.strength
            free = [part.detach() - rate * slope for part, slope in zip(free, slopes, strict=True)]
        if not joint:
            blocks.lagrangian(carry, free, multipliers).backward()
        return value, last


class Relaxation:
    """The blocks of one window: A(h, u, θ) and the gaps.

    Free states are lists of tensors, one for each leaf of a state, ((N − 1)·B, …), block after block.
    """

    def __init__(
        self, run: Any, model: RecurrentModel, inputs: Tensor, targets: Tensor, loss: Loss, settings: Settings
    ) -> None:
        self._run, self._model, self._inputs, self._targets, self._loss = run, model, inputs, targets, loss
        self._settings = settings
        self.streams = inputs.shape[1]
        self._whole = len(inputs) // settings.length  # blocks; a shorter one may follow
        self._rest = len(inputs) % settings.length
        self._between = self._whole + bool(self._rest) - 1

    def forward(self, state: Any) -> tuple[float, Any, list[Tensor]]:
        """Without a graph: the loss, the last state, and the states between the blocks."""
        outputs, states = [], []
        with torch.no_grad():
            for part in self._inputs.split(min(self._settings.length, len(self._inputs))):
                found, state = self._steps(part, state)
                outputs.append(found)
                states.append(leaves(state))
            value = self._loss(self._model.decode(torch.cat(outputs)), self._targets).item()
        between = zip(*states[:-1], strict=True)
        return value, state, [torch.cat(parts) for parts in between]

    def lagrangian(self, carry: Any, free: list[Tensor], multipliers: list[Tensor]) -> Tensor:
        """A(h, u, θ), averaged over streams."""
        outputs, gaps = self._blocks(carry, free)
        value = self._loss(self._model.decode(outputs), self._targets)
        for gap, u in zip(gaps, multipliers, strict=True):
            value = value + self._settings.strength / (2 * self.streams) * (gap + u).square().sum()
        return value

    def gaps(self, carry: Any, free: list[Tensor]) -> list[Tensor]:
        """F_b − h_b, without a graph."""
        with torch.no_grad():
            return self._blocks(carry, free)[1]

    def _blocks(self, carry: Any, free: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Runs all blocks side by side: (outputs in the order of time, (n, B, …); the gaps)."""
        length, streams, many = self._settings.length, self.streams, self._whole * self.streams
        first = leaves(carry)
        starts = [torch.cat([a, b]) for a, b in zip(first, free, strict=True)] if free else first
        outputs, ends = [], []
        if self._whole:
            inputs = self._inputs[: self._whole * length].unflatten(0, (self._whole, length))
            beside = inputs.transpose(0, 1).flatten(1, 2)
            found, last = self._steps(beside, fill(carry, [part[:many] for part in starts]))
            outputs.append(found.unflatten(1, (self._whole, streams)).transpose(0, 1).flatten(0, 1))
            ends = leaves(last)
        if self._rest:
            found, _ = self._steps(self._inputs[-self._rest :], fill(carry, [part[many:] for part in starts]))
            outputs.append(found)
        held = self._between * streams
        gaps = [end[:held] - part for end, part in zip(ends, free, strict=True)] if free else []
        return torch.cat(outputs), gaps

    def _steps(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        found: tuple[Tensor, Any] = self._run(
            inputs, state, Segment(length=len(inputs), factors=np.ones(len(inputs) - 1))
        )
        return found


def build(
    *,
    solver: str = "penalty",
    strength: float = 10.0,
    length: int,
    blocks: int = 8,
    state_steps: int = 5,
    state_rate: float = 0.5,
    rounds: int = 3,
    multiplier_rate: float = 1.0,
    model: RecurrentModel,
    engine: str,
) -> TargetPropagation:
    """Target propagation through time. Biased.

    Args:
        solver: `penalty` keeps u = 0. `admm` descends on h, then moves u by its rate times the gaps, and so on;
            the gradient is that after the last descent. `alm` takes θ's gradient at every step on h instead: its mean.
        strength: λ, of the springs, against a loss that is summed over steps and averaged over streams.
        length: L, steps of a block.
        blocks: N, of a window; one update each.
        state_steps: steps of descent on h in a round.
        state_rate: of a step, in units of 1/λ.
        rounds: of descent on h; between two of them u moves.
        multiplier_rate: 1 is the method of multipliers.
        model: receives the gradient.
        engine: see `autograd.engines`.

    Raises:
        UserError: a value out of range, or an engine that the model does not have.
    """
    settings = Settings(
        solver=checks.choice("method.solver", solver, SOLVERS),
        strength=checks.number("method.strength", strength, above=0),
        length=checks.whole("method.length", length, at_least=1),
        blocks=checks.whole("method.blocks", blocks, at_least=1),
        state_steps=checks.whole("method.state_steps", state_steps),
        state_rate=checks.number("method.state_rate", state_rate, above=0),
        rounds=checks.whole("method.rounds", rounds, at_least=1),
        multiplier_rate=checks.number("method.multiplier_rate", multiplier_rate, above=0),
    )
    return TargetPropagation(model=model, engine=engine, settings=settings)
