"""Cells with one matrix product: s' = F(a, s), a = W z with z = (h, x, 1). Then ∂s'/∂W = zᵀ ⊗ ∂F/∂a."""

import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.models.character import CharacterModel
from artbp_exp.recurrent import RecurrentModel


class OneProduct:
    """Such a cell; its W lies in the model's `recurrent` (G·H, H), `table` (V, G·H) and `bias` (G·H).

    The model's state is h, or h and more, and h is also its output; others are refused for the method `name`.

    Attributes:
        hidden: H.
        pre: G·H, numbers in a.
        size: Z, numbers in z.
        recurrent: the weights of h.
    """

    def __init__(self, model: RecurrentModel, name: str) -> None:
        weights = model.recurrent_weights() if isinstance(model, CharacterModel) and model.recurrence() else None
        if weights is None or weights.mixing is not None or weights.inner is not None:
            raise UserError(
                f"method={name} needs a cell with a single matrix product, of (h, x, 1), and {type(model).__name__} is "
                f"another; take model=rnn or model=lstm, or method=rtrl or method=uoro"
            )
        assert isinstance(model, CharacterModel)
        self._one_hot, self._names = model.one_hot, list(model.recurrent_parameters())
        self.recurrent = model.get_parameter("recurrent")
        self.pre, self.hidden = self.recurrent.shape
        self.size = self.hidden + model.table.shape[0] + 1

    def read(self, state: Tensor, inputs: Tensor) -> Tensor:
        """z = (h, x, 1) for the state before a step (B, S), a symbol x as a unit vector: (B, Z)."""
        hidden = state[:, : self.hidden]
        return torch.cat([hidden, self._one_hot(inputs), torch.ones_like(hidden[:, :1])], 1)

    def flat(self, gradient: Tensor) -> Tensor:
        """The gradient of Wᵀ (Z, G·H) as that of θ (P,)."""
        hidden, table, bias = gradient.split([self.hidden, self.size - self.hidden - 1, 1])
        parts = {"recurrent": hidden.t(), "table": table, "bias": bias}
        return torch.cat([parts[name].flatten() for name in self._names])
