"""Where a boundary's guess b enters a segment's gradient: at its end, and as the control variate wherever it goes on.

With X_t = 1 where a cut was drawn after step t, m_t = 1/(1 − c_t) and ε_t what arrives from later losses,

    δ_t = ∂ℓ_t/∂s_t + b_t + 1{X_t = 0}·m_t·(ε_t − b_t),   ε_t = δ_{t+1} ∂F/∂s(x_{t+1}, s_t).

b_t reads the forward pass alone, which no cut changes, so the mean over X_t is ∂ℓ_t/∂s_t + ε_t whatever b is; the
variance is that without b, with ε_t − b_t in the place of ε_t (docs/method.md). Where the cut is certain (truncated
BPTT) b_t stands in the place of ε_t, and its error is a bias. Where the data end nothing is cut off, and b is zero.
"""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd import detach, map_state
from artbp_exp.autograd.state import floating
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Boundary
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.truncation import Scheme, Segment


def compensates(scheme: Scheme) -> bool:
    """Whether a gradient that goes on is multiplied by anything but 1, so that b enters where nothing was cut."""
    reach = 2 * round(scheme.length or 0) + 1
    return any(bool((one.factors(reach) != 1).any()) for one in (scheme, scheme.at(0)))


def refuse_idle(boundary: Boundary | None, scheme: Scheme, task: Task, name: str) -> None:
    """Refuses a boundary where no gradient is cut off, for `method=name`."""
    if boundary is None or (scheme.length is not None and task.carry_state):
        return
    why = "never cuts" if scheme.length is None else "with task.carry_state=false resets the state at cuts"
    other = "method=artbp or method=tbptt" if scheme.length is None else "task.carry_state=true"
    raise UserError(
        f"method={name} {why}, so no gradient is cut off for boundary={boundary.name} to stand for; "
        f"take boundary=none, or {other}"
    )


def asking(state: Any) -> Any:
    """The state before a segment, so that what arrives there is kept: it is what the boundary learns from."""
    return map_state(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), state)


def seen(boundary: Boundary | None, model: RecurrentModel, inputs: Tensor) -> Tensor | None:
    """What a boundary sees of the inputs (n, B, …), if it does: encoded, (n, B, F), without history."""
    if boundary is None or not boundary.context:
        return None
    with torch.no_grad():
        return model.encode(inputs).flatten(2)


def place(state: Any, following: Tensor | None) -> Any:
    """What a boundary reads: the state (R, …), without its history, and what is `seen` of the step after, (R, F)."""
    return detach(state) if following is None else (detach(state), following)


def where_it_goes_on(
    boundary: Boundary, states: Any, following: Tensor | None, segment: Segment, start: int, stop: int
) -> Tensor | None:
    """Σ_t (1 − m_t)·⟨b_t, s_t⟩ over steps `start` … `stop` − 1 of a segment: its gradient is what b adds to δ_t.

    None where every m is 1. `states` are those after each of these steps, leaves (n, B, …); `following` is what is
    `seen` of the steps after them. Where the segment ends, nothing goes on.
    """
    factors = torch.from_numpy(segment.factors[start:stop])
    count = len(factors)
    if bool((factors == 1).all()):
        return None
    rows = map_state(lambda leaf: leaf[:count].flatten(0, 1), states)
    following = None if following is None else following[:count].flatten(0, 1)
    total = torch.zeros((), dtype=torch.float64, device=floating(rows)[0].device)
    for leaf, b in zip(floating(states), boundary.guess(place(rows, following)), strict=True):
        each = (b.view_as(leaf[:count]) * leaf[:count]).flatten(1).sum(1) / leaf.shape[1]
        total = total + (1.0 - factors).to(each.device) @ each.double()
    return total


def at_the_end(boundary: Boundary, last: Any, ends: Any) -> list[tuple[Tensor, Tensor]]:
    """The leaves of the state that is cut, each with what stands there: b at that place, averaged over streams."""
    guesses = boundary.guess(ends)
    pairs = zip(floating(last), guesses, strict=True)
    return [(leaf, b / leaf.shape[0]) for leaf, b in pairs if leaf.requires_grad]


def learn(boundary: Boundary, state: Any, begins: Any, losses: Tensor | None, ends: Any) -> None:
    """Teaches the boundary what arrived at `state`, of `asking`, in the backward pass that was just done.

    `begins` and `ends` are the places before the segment and at its end, the latter None where the data end.
    """
    arrived = [torch.zeros_like(leaf) if leaf.grad is None else leaf.shape[0] * leaf.grad for leaf in floating(state)]
    boundary.learn(begins, arrived, losses, ends)
