"""The cell of the paper's own code, fused."""

from typing import Any

from torch import Tensor

from artbp_exp.autograd.fused.cells import CellRecurrence


class AuthorsRecurrence(CellRecurrence):
    """m = E_m[x] + W_m h + b_m; gates = E_g[x] + W_g m + b_g; c' = σ(f)∘c + σ(i)∘ĥ; h' = tanh(σ(o)∘c')."""

    parameters = ("table", "bias", "mixing", "gating")

    def __init__(self, *, parameters: tuple[Tensor, ...], **rest: Any) -> None:
        super().__init__(parameters=parameters, **rest)
        self._mixing, self._gating = parameters[2:]
        self._mix, self._gate = self.product(self._mixing), self.product(self._gating)
        self._low_mixed = self.buffer(self.size, dtype=self.product_dtype)
        self._v_low_mixed = self.view(self._low_mixed)

    def forward(self, step: int) -> None:
        """(h, c)_{t−1} → (h, c)_t."""
        rec = self.view(self._mix(self.low_hidden[step]))
        self.kernels.authors_mix(self.v_table, self.v_symbols, rec, self._v_low_mixed, step)
        self.kernels.authors_forward(
            self.v_table,
            self.v_symbols,
            self.view(self._gate(self._low_mixed[step])),
            self.v_gates,
            self.v_cells,
            self.v_hidden,
            self.v_low_hidden,
            step,
        )

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """See `Recurrence.begin_backward`."""
        super().begin_backward(outputs, last)
        self._unmix, self._ungate = self.product(self._mixing.t()), self.product(self._gating.t())
        self._low_mix_gradient = self.buffer(self.size, dtype=self.product_dtype)
        self._v_low_mix_gradient = self.view(self._low_mix_gradient)

    def backward(self, step: int, factor: float) -> None:
        """Gradients of the gates' pre-activations, then of m."""
        self.kernels.authors_backward(
            self.v_symbols,
            self.v_outputs,
            self.view(self.carried),
            factor,
            self.v_dcell,
            self.v_gates,
            self.v_cells,
            self.v_hidden,
            self.v_low_gates,
            self.v_table_gradient,
            step,
        )
        mixed = self.view(self._ungate(self.low_gates[step]))
        self.kernels.authors_mix_backward(self.v_symbols, mixed, self._v_low_mix_gradient, self.v_table_gradient, step)

    def carry_back(self, step: int) -> None:
        """To h_{t−1} through m; the cell's part is in `dcell` already."""
        self.carried = self._unmix(self._low_mix_gradient[step])

    def parameter_gradients(self) -> tuple[Tensor, ...]:
        """Of table, bias, W_m and W_g."""
        mixing = self.over_time(self._low_mix_gradient, self.low_hidden[:-1])
        return *self.table_and_bias(), mixing, self.over_time(self.low_gates, self._low_mixed)
