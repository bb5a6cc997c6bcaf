"""The textbook LSTM, fused."""

from typing import Any

from torch import Tensor

from artbp_exp.autograd.fused.cells import CellRecurrence


class LSTMRecurrence(CellRecurrence):
    """i, f, g, o = E[x] + W h + b;  c' = σ(f)∘c + σ(i)∘tanh(g);  h' = σ(o)∘tanh(c')."""

    parameters = ("table", "bias", "recurrent")

    def __init__(self, *, parameters: tuple[Tensor, ...], **rest: Any) -> None:
        super().__init__(parameters=parameters, **rest)
        self._recurrent = parameters[2]
        self._forward = self.product(self._recurrent)
        self._tanhs = self.view(self.buffer(self.size))

    def forward(self, step: int) -> None:
        """(h, c)_{t−1} → (h, c)_t."""
        rec = self.view(self._forward(self.low_hidden[step]))
        self.kernels.lstm_forward(
            self.v_table,
            self.v_symbols,
            rec,
            self.v_gates,
            self.v_cells,
            self._tanhs,
            self.v_hidden,
            self.v_low_hidden,
            step,
        )

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """See `Recurrence.begin_backward`."""
        super().begin_backward(outputs, last)
        self._backward = self.product(self._recurrent.t())

    def backward(self, step: int, factor: float) -> None:
        """Gradients of the four gates' pre-activations."""
        self.kernels.lstm_backward(
            self.v_symbols,
            self.v_outputs,
            self.view(self.carried),
            factor,
            self.v_dcell,
            self.v_gates,
            self.v_cells,
            self._tanhs,
            self.v_low_gates,
            self.v_table_gradient,
            step,
        )

    def carry_back(self, step: int) -> None:
        """To h_{t−1}; the cell's part is in `dcell` already."""
        self.carried = self._backward(self.low_gates[step])

    def parameter_gradients(self) -> tuple[Tensor, ...]:
        """Of table, bias and W."""
        return *self.table_and_bias(), self.over_time(self.low_gates, self.low_hidden[:-1])
