"""Real-time recurrent learning (Williams & Zipser 1989): the exact gradient, forwards in time."""

from typing import Any

from torch import Tensor
from torch.func import jacrev, vmap

from artbp_exp import checks
from artbp_exp.methods.base import Method
from artbp_exp.methods.online.online import InfluenceMethod
from artbp_exp.methods.online.stepping import traced
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class RTRL(InfluenceMethod):
    """G_t = J_t G_{t−1} + Φ_t with J_t = ∂F/∂s, Φ_t = ∂F/∂θ; G_0 = 0. Exact at fixed θ.

    Time O(S²P) a step, memory S·P numbers a stream: refused where that does not fit.
    """

    def __init__(self, *, name: str = "rtrl", model: RecurrentModel, task: Task, update_every: int = 1) -> None:
        super().__init__(name=name, model=model, task=task, update_every=update_every)
        numbers = task.batch_size * self._stepping.size * self._stepping.count
        checks.in_memory("method", name, numbers, what="states × parameters × streams", instead="a smaller model")
        self._next = traced(vmap(self._influence, in_dims=(None, 0, 0, 0)))

    def remember(self, batch_size: int) -> Tensor:
        """G_0, (B, S, P)."""
        return self._stepping.theta().new_zeros(batch_size, self._stepping.size, self._stepping.count)

    def _influence(self, theta: Tensor, state: Tensor, inputs: Tensor, before: Tensor) -> Tensor:
        direct, through = jacrev(self._stepping.next, argnums=(0, 1))(theta, state, inputs)
        influence: Tensor = direct + through @ before
        return influence

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        """See `InfluenceMethod.carry_on`."""
        return self._next(theta, state, inputs, memory)

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        """See `InfluenceMethod.earlier`."""
        gradient: Tensor = arrived.flatten() @ memory.flatten(0, 1)
        return gradient


def build(*, update_every: int = 1, model: RecurrentModel, task: Task) -> Method:
    """Real-time recurrent learning, with an update every `update_every` steps; see `RTRL`."""
    return RTRL(model=model, task=task, update_every=update_every)
