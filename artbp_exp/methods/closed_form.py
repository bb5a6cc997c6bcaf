"""Influence balancing by segment algebra: a whole segment in four small products, exactly.

The system is linear and the factors depend only on the lag, so with z = (s_0, θ, 1), s_0 the state before a segment:

    e_t = s_t[1] − 1 = row_t · z                     row_t = (1ᵀA^t, Σ_{j<t} 1ᵀA^j b, −1), 1 the first unit vector
    loss = ½ Σ_t e_t²,   s_n = block_n z             block_n = (A^n, Σ_{j<n} A^j b, 0)
    ĝ = Σ_t e_t h_t,     h_t = first unit of G_t,    G_t = b + factor_{t−1} A G_{t−1}, G_0 = 0

G is ARTBP's compensated forward sensitivity: the same number as the backward recursion's, summed the other way round.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artbp_exp.methods.base import Draw, Loss
from artbp_exp.methods.segments import SchemeMethod
from artbp_exp.models.linear import LinearSystem
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Progress, Task
from artbp_exp.tasks.synthetic import Synthetic
from artbp_exp.truncation import Scheme

Floats = NDArray[np.float64]

PIECE = 256
"""Steps done in one product: longer segments take several. Bounds the tables to a few megabytes."""


class LinearTables:
    """Powers of the system's matrix, and the compensated sensitivity of the first unit, for all lags at hand."""

    def __init__(self, transition: Floats, drive: Floats, scheme: Scheme) -> None:
        size = drive.size
        self._transition, self._drive, self._scheme = transition, drive, scheme
        self.rows = np.zeros((PIECE, size + 2))
        self.blocks = np.zeros((PIECE + 1, size, size + 2))
        block = np.hstack([np.eye(size), np.zeros((size, 2))])
        self.blocks[0] = block
        for lag in range(1, PIECE + 1):
            block = transition @ block
            block[:, size] += drive
            self.blocks[lag] = block
            self.rows[lag - 1] = block[0]
        self.rows[:, size + 1] = -1.0
        self._sensitivity = np.zeros(size)
        self._influence = np.empty(0)

    def influence(self, length: int) -> Floats:
        """h_1 … h_length: how θ moves the first unit after t steps of the segment, compensated."""
        known = self._influence.size
        if length > known:
            wanted = max(length, 2 * known, PIECE)
            factors = np.concatenate([[0.0], self._scheme.factors(wanted)])
            added = np.empty(wanted - known)
            with np.errstate(over="ignore", invalid="ignore"):
                for lag in range(known, wanted):
                    self._sensitivity = self._drive + factors[lag] * (self._transition @ self._sensitivity)
                    added[lag - known] = self._sensitivity[0]
            self._influence = np.concatenate([self._influence, added])
        return self._influence[:length]


class ClosedForm(SchemeMethod):
    """Segments of a scheme on the linear system: equal to `SegmentMethod` to rounding, many times as fast."""

    _model: LinearSystem
    engine = "fused"

    def __init__(self, *, model: RecurrentModel, scheme: Scheme) -> None:
        assert isinstance(model, LinearSystem)  # see `applies`
        super().__init__(model=model, scheme=scheme)
        self._tables = LinearTables(model.transition.numpy(), model.drive.numpy(), scheme)
        self._z = np.ones(model.drive.numel() + 2)

    @staticmethod
    def applies(model: RecurrentModel, task: Task, scheme: Scheme) -> bool:
        """Whether it can stand in: the linear system on its task, in float64 on the CPU, one table of factors."""
        return (
            isinstance(model, LinearSystem)
            and isinstance(task, Synthetic)
            and model.theta.device.type == "cpu"
            and model.theta.dtype == torch.float64
            and (scheme.first is None or np.array_equal(scheme.first.factors(task.steps), scheme.factors(task.steps)))
        )

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`. The inputs are none, the targets 1, and the loss is the task's own."""
        z = self._gather(carry)
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = self._segment(z, draw.length)
        theta = self._model.theta
        theta.grad = theta.new_tensor(gradient) + (0.0 if theta.grad is None else theta.grad)
        return value, torch.from_numpy(z[:-2].copy())[None]

    def burst(
        self,
        carry: Any,
        *,
        steps: int,
        until: int,
        most: int,
        rng: np.random.Generator,
        updater: Updater,
        progress: Progress,
        limit: float,
    ) -> Any:
        """Several segments, each with its update by plain SGD: what the trainer does one by one, without its overhead.

        The pass has `steps` steps. The burst stops after the segment that reaches step `until`, after `most` segments,
        or once the mean loss a step exceeds `limit`. Returns what is carried on.
        """
        z, gradient, start = self._gather(carry), None, progress.pass_steps
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(most):
                length = self.scheme.at(start).draw(rng, steps - start)
                loss, gradient = self._segment(z, length)
                start += length
                progress.add(loss, length, limit)
                if progress.diverged:
                    break
                gradient = updater.clipped(gradient)
                z[-2] -= updater.plain_rate(progress.step, length) * gradient
                if start >= until:
                    break
        theta = self._model.theta
        theta.data.fill_(z[-2])
        theta.grad = theta.detach().new_tensor(gradient)
        return torch.from_numpy(z[:-2].copy())[None]

    def _gather(self, state: Tensor) -> Floats:
        """z = (s, θ, 1)."""
        self._z[:-2], self._z[-2] = state.numpy()[0], self._model.theta.item()
        return self._z

    def _segment(self, z: Floats, length: int) -> tuple[float, float]:
        """Runs a segment: returns its loss and gradient, and leaves the state after it in `z`."""
        tables = self._tables
        influence = tables.influence(length)
        if length <= PIECE:
            error = tables.rows[:length] @ z
            z[:-2] = tables.blocks[length] @ z
            return 0.5 * float(error @ error), float(error @ influence)
        loss = gradient = 0.0
        for start in range(0, length, PIECE):
            count = min(PIECE, length - start)
            error = tables.rows[:count] @ z
            z[:-2] = tables.blocks[count] @ z
            loss += 0.5 * float(error @ error)
            gradient += float(error @ influence[start : start + count])
        return loss, gradient
