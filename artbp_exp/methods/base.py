"""What a method is to the rest of the program: it carries a state, draws, and leaves a gradient."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from artbp_exp.autograd.state import numbers
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Scheme

Loss = Callable[[Tensor, Tensor], Tensor]
"""(predictions (n, B, …), targets (n, B, …)) → scalar, summed over steps and averaged over streams."""

Run = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""(inputs (n, B, …), state) → (what `decode` reads, (n, B, H); last state), on the autograd tape."""


class Claim(StrEnum):
    """What a method says of the mean of its gradient at fixed parameters. `artbp-verify` confirms or refutes it."""

    EXACT = "unbiased, exactly"
    SIGNS = "unbiased in mean over signs"
    SMOOTHED = "unbiased for the smoothed loss"
    BIASED = "biased"


class Draw(Protocol):
    """What was drawn for the next steps: a segment with its factors, random signs, or nothing but how many they are."""

    @property
    def length(self) -> int:
        """Steps until the next update, ≥ 1."""


class Method(ABC):
    """Estimates the gradient of a loss over a sequence, a few steps at a time.

    At fixed parameters the gradients of all draws of a pass, summed, estimate that of full BPTT. Training makes an
    update after each draw; verification sums over all outcomes, each weighed by its probability.

    Attributes:
        name: as in `conf/method`.
        engine: what computes it, `auto` resolved.
        scheme: where it cuts; None of a method that does not cut by a fixed hazard.
        looks_ahead: whether `advance` takes the input of the step after, too, where the data go on.
        columns: of `metrics.csv` that it adds to the task's.
    """

    name: str
    engine: str = "plain"
    scheme: Scheme | None = None
    looks_ahead: bool = False
    columns: tuple[str, ...] = ()
    _model: RecurrentModel

    @abstractmethod
    def begin(self, batch_size: int) -> Any:
        """What is carried before the first step, for B = `batch_size` streams: a tree, see `autograd.state`.

        The model's state, and whatever the method keeps beside it. A checkpoint holds all of it.
        """

    @abstractmethod
    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """Draws one pass over `steps` steps, each draw when it is asked for: (the step at which it starts; the draw).

        Args:
            steps: T.
            rng: the random stream of the draws, and of nothing else.
            start: steps of the pass that are done already: an interrupted run goes on from there.
        """

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Every outcome of the draws of a pass over `steps` steps, with its probability > 0; they sum to 1.

        Raises:
            UserError: they cannot be enumerated.
        """
        raise UserError(f"the outcomes of method={self.name} cannot be enumerated")

    @abstractmethod
    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """Runs n = `draw.length` steps and *adds* their gradient to the parameters' `.grad`.

        Args:
            carry: before the first of them.
            draw: from `draws` or `outcomes`.
            inputs: (n, B, …); n + 1 of them if it `looks_ahead` and the data go on.
            targets: (n, B, …).
            loss: of predictions and targets.
            ends: whether the data end here, so that nothing is cut off.

        Returns:
            (the loss summed over the steps, what is carried on, without its history).
        """

    def row(self) -> dict[str, Any]:
        """Values for `columns` now, None where there is none."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What it has learnt beside what is carried within a pass: tensors and plain values. Part of a checkpoint."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 (most have nothing to load)
        """Goes on from what `state_dict` returned."""

    def claim(self, steps: int) -> Claim:
        """What it says of its mean gradient over a sequence of `steps` steps: exact, unless it says otherwise."""
        return Claim.EXACT

    def stored_numbers(self, steps: int) -> float:
        """Numbers kept for each stream to compute the gradient, on average over a sequence of `steps` steps.

        The memory at which methods are compared. Here: all that is carried beside the model's state.
        """
        return float(numbers(self.begin(1)) - numbers(self._model.init_state(1)))


class Boundary(nn.Module, ABC):
    """A learned guess b of the gradient that later losses send into a state, made from the forward pass alone.

    It stands where the gradient is cut off, and is the control variate where it could have been (`baseline`). It is
    trained by an optimiser of its own, in the same pass.

    Attributes:
        name: as in `conf/boundary`.
        lr: learning rate of its optimiser, Adam.
        reads_losses: whether `learn` is handed the segment's losses.
        context: whether it sees the next input, too: a place is then (state, encoded input of the step after) wherever
            a state stands below, else the state alone.
    """

    name: str
    lr: float
    reads_losses: bool = False
    context: bool = False

    @abstractmethod
    def guess(self, place: Any) -> list[Tensor]:
        """b for each floating-point leaf of the state, (R, …) each: of R streams' own losses, without its history."""

    @abstractmethod
    def learn(self, state: Any, arrived: list[Tensor], losses: Tensor | None, last: Any) -> None:
        """Adds to its parameters' `.grad` what a segment of B streams teaches. Nothing reaches the model's.

        Args:
            state: at which the segment began, without its history.
            arrived: the gradient that its losses sent into each floating-point leaf of `state`, and with them what
                stood at its end, as a number: of each stream's own losses.
            losses: summed over the segment's steps, (B,); None unless it `reads_losses`.
            last: the state at its end, without its history; None where the data end.
        """


class Auxiliary(nn.Module, ABC):
    """A loss that is trained beside the task's, and neither reported nor evaluated.

    Attributes:
        name: as in `conf/auxiliary`.
        least: steps of the shortest segment that it can be computed on; a shorter one goes without.
        weight: 0 trains as without it, bit for bit.
    """

    name: str
    least: int = 1
    weight: float = 1.0

    @abstractmethod
    def forward(self, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """The scalar to add for a segment: it builds a graph of its own, apart from that of the task's loss.

        Args:
            run: of the model; no gradient flows into a state that is detached.
            state: before the segment, detached.
            inputs: of the segment, (n, B, …), n ≥ `least`.
        """
