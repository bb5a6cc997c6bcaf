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

from artbp_exp.models.linear import LinearSystem
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.synthetic import Synthetic
from artbp_exp.training.learner import Beat
from artbp_exp.training.tally import Tally
from artbp_exp.truncation import Scheme

Floats = NDArray[np.float64]

PIECE = 256
"""Steps done in one product: longer segments take several. Bounds the tables to a few megabytes."""

SEGMENTS = 256
"""Segments between two beats: a few milliseconds, so that asking costs nothing."""


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


class ClosedFormLearner:
    """The fast learner of the synthetic task: equal to `OnlineLearner` to rounding, many times as fast."""

    def __init__(
        self,
        *,
        model: LinearSystem,
        task: Task,
        scheme: Scheme,
        updater: Updater,
        cuts: np.random.Generator,
    ) -> None:
        self.tally = Tally()
        self.engine = "fused"
        self._model, self._task, self._scheme = model, task, scheme
        self._updater, self._cuts = updater, cuts
        self._tables = LinearTables(model.transition.numpy(), model.drive.numpy(), scheme)
        self._position = 0
        self._start = np.append(model.init_state(1).numpy()[0], [model.theta.item(), 1.0])
        self._z = self._start.copy()

    @staticmethod
    def applies(model: RecurrentModel, task: Task, updater: Updater) -> bool:
        """Whether this learner can stand in: the linear system, its task, and plain SGD on the CPU."""
        return (
            isinstance(model, LinearSystem)
            and isinstance(task, Synthetic)
            and updater.plain
            and model.theta.device.type == "cpu"
            and model.theta.dtype == torch.float64
        )

    def begin_pass(self) -> None:
        """Goes back to the start of the sequence and to the initial state."""
        self._position = 0
        self._z[:-2] = self._start[:-2]

    def advance(self, until: int, beat: Beat) -> None:
        """See `Learner.advance`."""
        z, tally, limit = self._z, self.tally, self._task.divergence
        gradient = None
        stop = False
        with np.errstate(over="ignore", invalid="ignore"):
            while self._position < until and not tally.diverged and not stop:
                began = tally.step
                for _ in range(SEGMENTS):
                    length = self._scheme.draw(self._cuts, self._task.steps - self._position)
                    loss, gradient = self._segment(z, length)
                    self._position += length
                    tally.add(loss, length, limit)
                    if tally.diverged:
                        break
                    gradient = self._updater.clipped(gradient)
                    z[-2] -= self._updater.plain_rate(tally.step) * gradient
                    if self._position >= until:
                        break
                stop = bool(beat(tally.step - began))
        if gradient is not None:
            self._model.theta.data.fill_(z[-2])
            self._model.theta.grad = self._model.theta.detach().new_tensor(gradient)

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {
            "position": self._position,
            "z": torch.from_numpy(self._z.copy()),
            "cuts": self._cuts.bit_generator.state,
            "tally": self.tally.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Learner.load_state_dict`."""
        self._position = state["position"]
        self._z[:] = state["z"].numpy()
        self._cuts.bit_generator.state = state["cuts"]
        self.tally.load_state_dict(state["tally"])

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
