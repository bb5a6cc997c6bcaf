"""What the character models share."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd.state import fill, map_state
from artbp_exp.autograd.unroll import Step
from artbp_exp.recurrent import RecurrentModel


class CharacterModel(RecurrentModel):
    """A recurrent layer of H units between symbols: table look-up, recurrence, affine read-out.

    One-hot inputs make the input projection a table look-up, E[x]: `encode` looks up all gates at once. Of inputs that
    are vectors, (n, B, V) real numbers, it takes the product x E.

    Args:
        vocabulary: V, number of symbols, or of the numbers in an input vector.
        hidden_size: H.
        gates: pre-activations a unit has per step (4 for an LSTM, 3 for a GRU, …).
        input_std: the tables' initial values are drawn from N(0, input_std²) (1 in the authors' code).
        generator: the stream of initial weights.
        outputs: numbers that are read out; None: one for each symbol, V.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        hidden_size: int,
        gates: int,
        input_std: float,
        generator: torch.Generator,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        hidden_size = checks.whole("model.hidden_size", hidden_size, at_least=1)
        input_std = checks.number("model.input_std", input_std, at_least=0)
        checks.in_memory("model.hidden_size", hidden_size, gates * hidden_size * (vocabulary + hidden_size))
        self.hidden_size = hidden_size
        self.table = nn.Parameter(input_std * torch.randn(vocabulary, gates * hidden_size, generator=generator))
        self.bias = nn.Parameter(torch.zeros(gates * hidden_size))
        self.readout = nn.Parameter(uniform(outputs or vocabulary, hidden_size, generator=generator))
        self.readout_bias = nn.Parameter(torch.zeros(outputs or vocabulary))

    def zeros(self, batch_size: int) -> Tensor:
        """A state of zeros, (B, H)."""
        return self.table.new_zeros(batch_size, self.hidden_size)

    def encode(self, inputs: Tensor) -> Tensor:
        """Symbols (n, B), int64, or vectors (n, B, V) → E[x] + b for every gate, (n, B, gates·H)."""
        if inputs.is_floating_point():
            return inputs.to(self.table.dtype) @ self.table + self.bias
        return nn.functional.embedding(inputs, self.table) + self.bias

    def one_hot(self, inputs: Tensor) -> Tensor:
        """Symbols (n, B) → vectors (n, B, V), for kernels that know no table look-up; vectors as they are."""
        if inputs.is_floating_point():
            return inputs.to(self.table.dtype)
        return nn.functional.one_hot(inputs, self.table.shape[0]).to(self.table.dtype)

    def kernel(self, run: Callable[..., Any], recurrent: Tensor, inner: Tensor | None = None) -> Step:
        """torch's own kernel `run` on one-hot vectors; `inner` is the bias of the recurrent product, if it has one."""
        inner = torch.zeros_like(self.bias) if inner is None else inner
        weights = [self.table.t().contiguous(), recurrent, self.bias, inner]

        def block(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
            start = map_state(lambda part: part[None], state)
            outputs, *last = run(self.one_hot(inputs), start, weights, True, 1, 0.0, self.training, False, False)
            return outputs, fill(state, [part[0].to(self.table.dtype) for part in last])

        return block

    def recurrent_parameters(self) -> dict[str, nn.Parameter]:
        """All but the read-out."""
        return {name: p for name, p in self.named_parameters() if name not in ("readout", "readout_bias")}

    def decode(self, outputs: Tensor) -> Tensor:
        """Hidden states (n, B, H) → logits, or whatever is read out, (n, B, `outputs`)."""
        return nn.functional.linear(outputs, self.readout, self.readout_bias)


def uniform(rows: int, fan_in: int, *, generator: torch.Generator) -> Tensor:
    """A weight matrix (rows, fan_in) drawn uniformly from ±1/√fan_in."""
    return (2 * torch.rand(rows, fan_in, generator=generator) - 1) / math.sqrt(fan_in)
