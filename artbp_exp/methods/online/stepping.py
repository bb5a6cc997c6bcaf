"""One step of a model as a function of flat tensors, which `torch.func` can differentiate and batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from artbp_exp.autograd.state import fill, flatten, leaves
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel


class Stepping:
    """s' = F(x, s, θ) of a model, on flat tensors; θ is what `encode` and `step` read, P numbers.

    A state of anything but floating-point tensors (B, …) is refused for the method `name`.

    Attributes:
        size: S, numbers in the state of one stream.
        parameters: θ by name.
        count: P.
    """

    def __init__(self, model: RecurrentModel, name: str) -> None:
        self._module = Step(model)
        self._template = model.init_state(2)
        parts = flatten(self._template)
        if any(not isinstance(p, Tensor) or not p.is_floating_point() or p.dim() < 1 or p.shape[0] != 2 for p in parts):
            raise UserError(
                f"method={name} takes a state of floating-point tensors (B, …), B streams; "
                f"{type(model).__name__} keeps something else: take method=bptt"
            )
        self._shapes = [part.shape[1:] for part in parts]
        self._sizes = [part[0].numel() for part in parts]
        self.size = sum(self._sizes)
        self.parameters = model.recurrent_parameters()
        self._lengths = [parameter.numel() for parameter in self.parameters.values()]
        self.count = sum(self._lengths)

    def theta(self) -> Tensor:
        """θ now, (P,), without its history."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters.values()])

    def flat(self, state: Any) -> Tensor:
        """The state as (B, S)."""
        return torch.cat([leaf.flatten(1) for leaf in leaves(state)], 1)

    def nested(self, flat: Tensor) -> Any:
        """(B, S) as a state; inverse of `flat`."""
        parts = zip(flat.split(self._sizes, 1), self._shapes, strict=True)
        return fill(self._template, [part.view(-1, *shape) for part, shape in parts])

    def batch(self, theta: Tensor, state: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """One step of B streams at the same θ: (P,), (B, S), (B, …) → outputs (B, …), next state (B, S)."""
        pieces = zip(self.parameters, theta.split(self._lengths), self.parameters.values(), strict=True)
        named = {f"model.{name}": piece.view_as(parameter) for name, piece, parameter in pieces}
        output, after = functional_call(self._module, named, (inputs, self.nested(state)))
        return output, self.flat(after)

    def next(self, theta: Tensor, state: Tensor, inputs: Tensor) -> Tensor:
        """One step of one stream: (P,), (S,), (…) → next state (S,)."""
        return self.batch(theta, state[None], inputs[None])[1][0]

    def add(self, gradient: Tensor) -> None:
        """Adds (P,) to the parameters' `.grad`."""
        for part, parameter in zip(gradient.split(self._lengths), self.parameters.values(), strict=True):
            found = part.view_as(parameter)
            parameter.grad = found.clone() if parameter.grad is None else parameter.grad + found


class Step(nn.Module):
    """`encode` and `step` as one module call, for `functional_call`."""

    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, state: Any) -> Any:
        """Inputs (B, …) → output (B, …), next state."""
        return self.model.step(self.model.encode(inputs[None])[0], state)


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of tensors, recorded once for each shape of its arguments and replayed as plain tensor operations.

    `torch.func`'s transforms cost several times as much as the small operations that they come down to.
    """
    graphs: dict[Any, Any] = {}

    def call(*arguments: Tensor) -> Any:
        key = tuple((argument.shape, argument.dtype, argument.device) for argument in arguments)
        if key not in graphs:
            graphs[key] = make_fx(lambda *given: function(*given))(*arguments)
        with torch.no_grad():
            return graphs[key](*arguments)

    return call
