"""A recurrence whose state holds a memory cell beside h."""

from typing import Any

from torch import Tensor

from artbp_exp.autograd.fused.recurrence import Recurrence


class CellRecurrence(Recurrence):
    """What `lstm` and `authors` share: state (h, c), four gates, gradients of both carried back."""

    def __init__(self, *, state: tuple[Tensor, ...], **rest: Any) -> None:
        super().__init__(state=state, **rest)
        self.cells = self.buffer(self.size, steps=self.steps + 1)
        self.cells[0] = state[1]
        self.gates = self.buffer(4 * self.size)
        self.low_gates = self.lowered(self.gates)
        self.v_cells, self.v_gates, self.v_low_gates = map(self.view, (self.cells, self.gates, self.low_gates))

    def last(self) -> tuple[Tensor, ...]:
        """(h_n, c_n)."""
        return self.hidden[-1].clone(), self.cells[-1].clone()

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """See `Recurrence.begin_backward`."""
        super().begin_backward(outputs, last)
        cell = last[1]
        # a copy: the recursion runs in place
        self.dcell = self.hidden.new_zeros(self.rows, self.size) if cell is None else cell.clone()
        self.v_dcell = self.view(self.dcell)

    def state_gradient(self) -> tuple[Tensor, ...]:
        """Gradients at (h_0, c_0)."""
        return self.carried.to(self.dtype), self.dcell
