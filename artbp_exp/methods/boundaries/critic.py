"""A value critic: a head that guesses the losses to come, of which the derivative is used."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.methods.boundaries.head import Head
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class Critic(Head):
    """C(s) ≈ E[losses to come | s], and b = ∂C/∂s: Deep Memory States (Pong, Gu & Levine 2017), supervised.

    Of the paper only the abstract was at hand ('using a learned critic to estimate truncated gradients and saving and
    loading hidden states'). All of this is therefore a guess:

    - the target of C(s_start) is Σ_segment ℓ + discount·C(s_end), the latter as a number, and zero where the data end;
    - the discount, once a segment, keeps C finite on an endless stream; it makes b too small for distant losses;
    - no replay buffer, no stored memories, no target network.
    """

    reads_losses = True

    def __init__(self, *, discount: float, **settings: Any) -> None:
        super().__init__(name="critic", outputs=1, **settings)
        self._discount = checks.number("boundary.discount", discount, at_least=0)
        if discount > 1:
            raise UserError(f"boundary.discount must be at most 1; got {discount!r}: later losses do not count more")

    def guess(self, place: Any) -> list[Tensor]:
        """See `Boundary.guess`. The derivative is written out: a window that is computed twice takes no inner tape."""
        with torch.no_grad():
            slope = (1 - self.hidden(place).square()) * self.leave
            return self.parts(slope @ self.enter)

    def learn(self, state: Any, arrived: list[Tensor], losses: Tensor | None, last: Any) -> None:
        """½(C(s_start) − target)², averaged over streams."""
        assert losses is not None  # `reads_losses`
        with torch.no_grad():
            target = losses if last is None else losses + self._discount * self(last)[:, 0]
        (0.5 * (self(state)[:, 0] - target).square().mean()).backward()


def build(
    *,
    hidden_size: int = 32,
    discount: float = 0.9,
    context: str = "none",
    lr: float = 1e-3,
    model: RecurrentModel,
    task: Task,
    generator: torch.Generator,
) -> Critic:
    """A value head.

    Args:
        hidden_size: of its one hidden layer.
        discount: of the losses after a segment; in [0, 1].
        context: `input` shows it the next input, too.
        lr: learning rate of its Adam.
        model: whose state it reads.
        task: whose inputs.
        generator: the stream of initial weights.

    Raises:
        UserError: a value out of range.
    """
    return Critic(
        hidden_size=hidden_size, discount=discount, context=context, lr=lr, model=model, task=task, generator=generator
    )
