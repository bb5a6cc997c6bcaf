"""Adam whose second moment counts steps of data, not updates (docs/method.md)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from artbp_exp import checks
from artbp_exp.errors import UserError


class Adam(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015) for gradients that are summed over segments of different lengths.

    A segment of N steps with the summed gradient G is x = N/L0 times a segment of the reference length L0 with the
    gradient G/x. The second moment is a mean over steps of data, the first is Adam's own and therefore linear in G:

        m ← β₁ m + (1 − β₁) G,    v ← β₂^x v + (1 − β₂^x)(G/x)²,
        θ ← θ − η · m/(1 − β₁^k) / (√(v/(1 − β₂^(t/L0))) + ε)

    after k updates and t = Σ N steps. With N = L0 throughout it is `torch.optim.Adam(fused=True)`, bit for bit.
    A parameter without a gradient counts as one whose gradient is zero.

        optimizer = artbp.Adam(model.parameters(), lr=1e-3, length=50)
        for start, segment in scheme.segments(steps, rng):
            …
            optimizer.step(length=segment.length)

    Args:
        params: parameters, or groups of them, as `torch.optim` takes them.
        lr: η, what it would be for segments of L0 steps.
        betas: β₁, a share an update, and β₂, a share in L0 steps.
        eps: ε.
        length: L0, the mean length of a segment, in steps.

    Raises:
        UserError: a value out of range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        length: float,
    ) -> None:
        for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
            if not 0 <= checks.number(name, beta) < 1:
                raise UserError(f"{name} must be at least 0 and below 1; got {beta!r}")
        defaults = {
            "lr": checks.number("lr", lr, at_least=0),
            "betas": betas,
            "eps": checks.number("eps", eps, at_least=0),
            "length": checks.number("length", length, at_least=1),
            "updates": 0,
            "steps": 0,
        }
        super().__init__(params, defaults)
        self._scaled: dict[Tensor, Tensor] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copied or unpickled: room for scaled gradients is made anew."""
        super().__setstate__(state)
        self._scaled = {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See torch's; UserError for the state of another optimiser, torch's Adam say, which counted no steps."""
        if any("length" not in group for group in state_dict["param_groups"]):
            raise UserError(
                "this is another optimiser's state: it has no count of steps of data, nor a length; begin artbp.Adam "
                "anew, or go on with the optimiser that saved it"
            )
        super().load_state_dict(state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None, *, length: int | None = None) -> Any:
        """Makes one update.

        Args:
            closure: computes the loss and the gradient, as for any optimiser of torch.
            length: N, the steps that the gradient is the sum of: `segment.length`.

        Raises:
            UserError: `length` is missing, or not a whole number ≥ 1.
        """
        if length is None:
            raise UserError("optimizer.step must be told the steps of the gradient: step(length=segment.length)")
        length = checks.whole("length of a segment", length, at_least=1)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update(group, length)
        return loss

    def _update(self, group: dict[str, Any], length: int) -> None:
        """One call of torch's fused kernel, which takes one gradient for both moments: G/x.

        With c = 1 + (1 − β₁)(x − 1), β₁ m + (1 − β₁) G = c·(b m + (1 − b) G/x) where b = β₁/c; so m comes out of it too
        small by c, and what the kernel takes for the bias of m, 1 − b^(t/N), is put right in the learning rate.
        """
        (beta1, beta2), portion = group["betas"], length / group["length"]
        before = group["steps"] / length
        group["updates"] += 1
        group["steps"] += length
        scale = 1 + (1 - beta1) * (portion - 1)
        decay = beta1 / scale
        bias = (1 - decay ** (before + 1)) / (1 - beta1 ** group["updates"])
        parameters = group["params"]
        moments = [self._moments(p) for p in parameters]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        if portion != 1:
            gradients = [self._divided(p, g, portion) for p, g in zip(parameters, gradients, strict=True)]
        first = [state["exp_avg"] for state in moments]
        adam(
            parameters,
            gradients,
            first,
            [state["exp_avg_sq"] for state in moments],
            [],
            [torch.full((), before, device=p.device) for p in parameters],  # the kernel adds 1
            fused=True,
            amsgrad=False,
            beta1=decay,
            beta2=beta2**portion,
            lr=group["lr"] * scale * bias,
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )
        if portion != 1:
            torch._foreach_mul_(first, scale)

    def _divided(self, parameter: Tensor, gradient: Tensor, portion: float) -> Tensor:
        """G/x, in memory that is kept: the user's gradient stays as it is."""
        if parameter not in self._scaled:
            self._scaled[parameter] = torch.empty_like(gradient)
        return torch.div(gradient, portion, out=self._scaled[parameter])

    def _moments(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state.update({name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")})
        return state
