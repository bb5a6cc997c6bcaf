"""The gated recurrent unit, fused."""

from typing import Any

from torch import Tensor

from artbp_exp.autograd.fused.recurrence import Recurrence


class GRURecurrence(Recurrence):
    """r, z = σ(E[x] + W h + b);  n = tanh(E_n[x] + b_n + r∘(W_n h + b'_n));  h' = (1 − z)∘n + z∘h.

    On the way back `gates` holds the gradients at W h (of r, z and of W_n h + b'_n); n's own goes into its table
    at once. What z passes on to h_{t−1} without a product is kept in `_direct`.
    """

    parameters = ("table", "bias", "recurrent", "candidate_bias")

    def __init__(self, *, parameters: tuple[Tensor, ...], **rest: Any) -> None:
        super().__init__(parameters=parameters, **rest)
        self._recurrent, self._candidate_bias = parameters[2:]
        self._v_bias = self.view(self._candidate_bias)
        self._forward = self.product(self._recurrent)
        self.gates = self.buffer(3 * self.size)
        self.low_gates = self.lowered(self.gates)
        self._v_gates, self._v_low_gates = self.view(self.gates), self.view(self.low_gates)
        self._inner = self.view(self.buffer(self.size))

    def forward(self, step: int) -> None:
        """h_{t−1} → h_t."""
        rec = self.view(self._forward(self.low_hidden[step]))
        self.kernels.gru_forward(
            self.v_table,
            self.v_symbols,
            rec,
            self._v_bias,
            self._v_gates,
            self._inner,
            self.v_hidden,
            self.v_low_hidden,
            step,
        )

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """See `Recurrence.begin_backward`."""
        super().begin_backward(outputs, last)
        self._backward = self.product(self._recurrent.t())
        self._direct = self.hidden.new_zeros(self.rows, self.size)
        self._bias_gradient = self._candidate_bias.new_zeros(self.size)
        self._v_direct, self._v_bias_gradient = self.view(self._direct), self.view(self._bias_gradient)

    def backward(self, step: int, factor: float) -> None:
        """Gradients of the pre-activations."""
        self.kernels.gru_backward(
            self.v_symbols,
            self.v_outputs,
            self.view(self.carried),
            factor,
            self._v_direct,
            self._v_gates,
            self._inner,
            self.v_hidden,
            self._v_low_gates,
            self.v_table_gradient,
            self._v_bias_gradient,
            step,
        )

    def carry_back(self, step: int) -> None:
        """To h_{t−1}, through W; the rest of the way is in `_direct`."""
        self.carried = self._backward(self.low_gates[step])

    def state_gradient(self) -> tuple[Tensor, ...]:
        """The gradient at h_0."""
        return (self.carried.to(self.dtype) + self._direct,)

    def parameter_gradients(self) -> tuple[Tensor, ...]:
        """Of table, bias, W and b'_n."""
        weight = self.over_time(self.low_gates, self.low_hidden[:-1])
        return *self.table_and_bias(), weight, self._bias_gradient
