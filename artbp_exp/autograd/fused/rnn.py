"""The simple recurrent network, fused."""

from typing import Any

from torch import Tensor

from artbp_exp.autograd.fused.recurrence import Recurrence


class RNNRecurrence(Recurrence):
    """h' = tanh(E[x] + W h + b)."""

    parameters = ("table", "bias", "recurrent")

    def __init__(self, *, parameters: tuple[Tensor, ...], **rest: Any) -> None:
        super().__init__(parameters=parameters, **rest)
        self._recurrent = parameters[2]
        self._forward = self.product(self._recurrent)

    def forward(self, step: int) -> None:
        """h_{t−1} → h_t."""
        rec = self.view(self._forward(self.low_hidden[step]))
        self.kernels.rnn_forward(self.v_table, self.v_symbols, rec, self.v_hidden, self.v_low_hidden, step)

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """See `Recurrence.begin_backward`."""
        super().begin_backward(outputs, last)
        self._backward = self.product(self._recurrent.t())
        self._low_gates = self.buffer(self.size, dtype=self.product_dtype)
        self._v_low_gates = self.view(self._low_gates)

    def backward(self, step: int, factor: float) -> None:
        """The gradient of the pre-activation."""
        self.kernels.rnn_backward(
            self.v_symbols,
            self.v_outputs,
            self.view(self.carried),
            factor,
            self.v_hidden,
            self._v_low_gates,
            self.v_table_gradient,
            step,
        )

    def carry_back(self, step: int) -> None:
        """To h_{t−1}."""
        self.carried = self._backward(self._low_gates[step])

    def parameter_gradients(self) -> tuple[Tensor, ...]:
        """Of table, bias and W."""
        return *self.table_and_bias(), self.over_time(self._low_gates, self.low_hidden[:-1])
