"""What the online estimators share: steps without segments, and a memory that stands for all that came before."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import detach, leaves, map_state
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim, Draw, Loss, Method
from artbp_exp.methods.online.stepping import Stepping
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.losses import has_target

MOST_SIGNS = 16
"""Random signs of a pass up to which all their patterns are enumerated."""


FLOOR = 1e-8
"""Of a norm, so that a memory of zeros is carried on."""


def balance(first: Tensor, second: Tensor) -> Tensor:
    """√(‖first‖/‖second‖), finite and above 0: what two factors are to be multiplied and divided by."""
    ratio: Tensor = (first.norm() + FLOOR) / (second.norm() + FLOOR)
    return ratio.sqrt()


@dataclass(frozen=True)
class Steps:
    """Steps until the next update, and the random numbers for them; None of a method that draws none."""

    length: int
    numbers: Tensor | None = None


class OnlineMethod(Method):
    """Steps without segments: `update_every` of them, then an update; each stream by itself.

    It takes any model whose step is differentiable, with a state of tensors (B, …).
    """

    claims = Claim.EXACT
    """Of the mean gradient, whatever the number of steps."""

    def __init__(self, *, name: str, model: RecurrentModel, task: Task, update_every: int) -> None:
        self.name, self._model = name, model
        self._every = checks.whole("method.update_every", update_every, at_least=1)
        self._streams = task.batch_size
        if not task.carry_state:
            raise UserError(f"method={name} never cuts, so task.carry_state=false has no meaning; take true")
        self._stepping = Stepping(model, name)

    def claim(self, steps: int) -> Claim:
        """See `claims`."""
        return self.claims

    @abstractmethod
    def draw(self, length: int, rng: np.random.Generator) -> Tensor | None:
        """The random numbers for `length` steps; None of a method without."""

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """k steps at a time, with their random numbers."""
        for first in range(start, steps, self._every):
            length = min(self._every, steps - first)
            yield first, Steps(length, self.draw(length, rng))


class InfluenceMethod(OnlineMethod):
    """Backpropagates each loss through its own step only, and carries forwards how θ has moved the state before it.

    With G_t = ds_t/dθ and s_t = F(x_t, s_{t−1}, θ), the gradient of ℓ_t is ∂ℓ_t/∂θ + ∂ℓ_t/∂s_{t−1} · G_{t−1}, both
    partial derivatives by ordinary backpropagation of this one step, the read-out included. What stands for G is up to
    the method: its `memory`, one for each stream. θ is frozen between updates; across updates G mixes older θ, an
    error of the order of η.
    """

    signs = 0
    """Random signs for each step and stream."""

    @abstractmethod
    def remember(self, batch_size: int) -> Any:
        """The memory before the first step: zeros, for a state that does not depend on θ."""

    @abstractmethod
    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        """The memory after a step: θ (P,), the state before it (B, S), its inputs (B, …), the memory before it."""

    @abstractmethod
    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        """∂ℓ_t/∂s_{t−1} · G_{t−1}, summed over streams: (B, S) and the memory → (P,)."""

    def begin(self, batch_size: int) -> Any:
        """The model's initial state, and an empty memory."""
        return {"state": self._model.init_state(batch_size), "memory": self.remember(batch_size)}

    def draw(self, length: int, rng: np.random.Generator) -> Tensor | None:
        """Random signs, (length, B, `signs`)."""
        if not self.signs:
            return None
        return torch.from_numpy(2.0 * rng.integers(2, size=(length, self._streams, self.signs)) - 1.0)

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Every pattern of signs, all of the same probability; UserError if they are too many."""
        shape = (steps, self._streams, self.signs)
        count = int(np.prod(shape))
        if count > MOST_SIGNS:
            raise UserError(
                f"method={self.name} draws {count} random signs in {steps} steps, too many to try all 2^{count} "
                f"patterns (at most 2^{MOST_SIGNS}); take fewer steps, units or streams"
            )
        for pattern in product((-1.0, 1.0), repeat=count):
            numbers = torch.tensor(pattern, dtype=torch.float64).view(shape)
            parts = [numbers[first : first + self._every] for first in range(0, steps, self._every)]
            yield tuple(Steps(len(part), part if self.signs else None) for part in parts), 0.5**count

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`. What is drawn at the last step of a pass has no effect."""
        found, total = (carry["state"], carry["memory"]), 0.0
        theta, numbers = self._stepping.theta(), getattr(draw, "numbers", None)
        for t in range(draw.length):
            signs = None if numbers is None else numbers[t].to(theta)
            value, found = self.step(theta, inputs[t : t + 1], targets[t : t + 1], loss, found, signs)
            total += value
        return total, dict(zip(("state", "memory"), found, strict=True))

    def step(
        self, theta: Tensor, inputs: Tensor, targets: Tensor, loss: Loss, carry: tuple[Any, Any], signs: Tensor | None
    ) -> tuple[float, tuple[Any, Any]]:
        """One step: adds its gradient to `.grad`, and returns (its loss, (the state, the memory) after it)."""
        state, memory = carry
        value, after, arrived = self._alone(inputs, targets, state, loss)
        if arrived is not None:
            self._stepping.add(self.earlier(arrived, memory))
        return value, (after, self.carry_on(theta, self._stepping.flat(state), inputs[0], memory, signs))

    def _alone(self, inputs: Tensor, targets: Tensor, state: Any, loss: Loss) -> tuple[float, Any, Tensor | None]:
        """Adds the gradient within the step. Returns (loss, next state, ∂ℓ/∂s before it (B, S) if not 0)."""
        if not has_target(targets).any():
            with torch.no_grad():
                return 0.0, self._model.step(self._model.encode(inputs)[0], state)[1], None
        before = map_state(lambda leaf: leaf.detach().requires_grad_(), state)
        output, after = self._model.step(self._model.encode(inputs)[0], before)
        value = loss(self._model.decode(output[None]), targets)
        arrived = None
        if value.requires_grad:
            value.backward()
            found = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves(before)]
            arrived = self._stepping.flat(found)
        return value.item(), detach(after), arrived
