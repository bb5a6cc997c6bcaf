"""The body of a user's training loop, `segment_loss`, as a loop whose gradient can be asked for; and its refusals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp.autograd import leaves, map_state
from artbp_exp.autograd.random_states import RandomStates, drawn
from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.verification.user_loop.float64_mode import raised
from artbp_exp.verification.user_loop.module_snapshot import ModuleSnapshot

SegmentLoss = Callable[[int, Segment, Any], tuple[Tensor | float, Any]]
Parameters = nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Mapping[str, Tensor]

NOISE = (
    "Draw other noise (latents, actions, coins) outside and index it by the absolute step, start + t, or seed its "
    "stream from that step"
)
BACKWARD = (
    "segment_loss calls backward: leave that to your loop, and to artbp.verify; return the loss alone (a gradient that "
    "the loss itself is made of comes from torch.autograd.grad)"
)
UPDATES = (
    "segment_loss changes the parameters (optimizer.step, or an update in place), and gradients are compared at fixed "
    "ones: leave updates to your loop, between segments; weights that change within a segment belong in the state"
)
ATTACHED = (
    "the state that segment_loss returns is not detached, so the gradient of a segment flows on into the segment "
    "before it: return artbp.detach(state), and detach what a module keeps"
)


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What goes from one segment to the next.

    Attributes:
        state: as `segment_loss` returned it.
        losses: of the segments so far.
        attached: whether the gradient of a segment flowed on through a state into the segment before it.
    """

    state: Any
    losses: tuple[float, ...] = ()
    attached: bool = False


@dataclass(kw_only=True)
class UserLoop:
    """A user's loop over the first steps of a user's data, at fixed parameters. See `training.gradient.Loop`.

    Attributes:
        segment_loss: (start, segment, state) → (loss, next state).
        parameters: by name.
        state: before the first step.
        steps: T.
        snapshot: of the module; every pass begins with it.
        module: whose parameters they are, if it was handed in.
        first: the user's number of step 0.
    """

    segment_loss: SegmentLoss
    parameters: dict[str, Tensor]
    state: Any
    steps: int
    snapshot: ModuleSnapshot
    module: nn.Module | None = None
    first: int = 0

    def __post_init__(self) -> None:
        self._random = RandomStates(self.parameters.values())
        self._drawn_to: dict[str, Any] | None = None  # the streams after a pass that drew from them

    def begin(self) -> Carried:
        """The user's state, copied: a loop may change it in place."""
        self.snapshot.put_back()
        self._drawn_from = self._random.states()
        return Carried(state=map_state(lambda tensor: raised(tensor.detach().clone()), self.state))

    def advance(self, start: int, draw: Any, carry: Carried) -> tuple[float, Carried]:
        """Adds the gradient of a segment to `.grad`; a segment without a loss adds nothing.

        Raises:
            UserError: `segment_loss` is random, calls backward, or returns something else than a loss and a state.
        """
        before = {name: parameter.grad for name, parameter in self.parameters.items()}
        history = [leaf for leaf in (*leaves(carry.state), *self.snapshot.attached()) if leaf.requires_grad]
        loss, state = self.loss_of(start, draw, carry.state)
        # one that was detached in place is no longer among them
        found = self._backward(loss, [leaf for leaf in history if leaf.requires_grad])
        found, crossed = found[: len(before)], found[len(before) :]
        for (name, parameter), added in zip(self.parameters.items(), found, strict=True):
            total = before[name]
            parameter.grad = total if added is None else added.detach() if total is None else total + added.detach()
        value = float(loss.item()) if isinstance(loss, Tensor) else loss
        attached = carry.attached or any(gradient is not None for gradient in crossed)
        if start + draw.length == self.steps:
            self._refuse_random()
        return value, Carried(state=state, losses=(*carry.losses, value), attached=attached)

    def value(self) -> float:
        """The loss of the whole sequence as one segment."""
        loss, _ = self.loss_of(0, plain(self.steps), self.begin().state)
        return float(loss.item()) if isinstance(loss, Tensor) else loss

    def _backward(self, loss: Tensor | float, history: Sequence[Tensor]) -> list[Tensor | None]:
        """With respect to the parameters, and to the states of earlier segments that still have their history."""
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return [None] * len(self.parameters)
        # the graph is kept: where a state is not detached, the next segment's backward runs through it again
        try:
            inputs = [*self.parameters.values(), *history]
            return list(torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True))
        except RuntimeError as error:
            if "a second time" in str(error):
                raise UserError(BACKWARD) from error
            self._refuse_updates(error)
            raise

    def _refuse_updates(self, error: Exception) -> None:
        now = [parameter._version for parameter in self.parameters.values()]
        if "modified by an inplace operation" in str(error) and now != self._versions:
            raise UserError(UPDATES) from error

    def _refuse_random(self) -> None:
        """Refuses draws from a global stream that do not leave it where the first pass did: there it was seeded."""
        now = self._random.states()
        if not drawn(self._drawn_from, now):
            return
        before, self._drawn_to = self._drawn_to or now, now
        random = drawn(before, now)
        if random:
            raise UserError(
                f"segment_loss is random (it draws from the global stream of {' and '.join(random)}), so ways to cut "
                f"cannot be compared; {_without_dropout(self.module)}; a mask that several steps share must be drawn "
                f"once a sequence, because one for each segment is biased. {NOISE}"
            )

    def loss_of(self, start: int, segment: Segment, state: Any) -> tuple[Tensor | float, Any]:
        """The user's function, and what it returned if that is as it should be."""
        for parameter in self.parameters.values():
            parameter.grad = None
        self._versions = [parameter._version for parameter in self.parameters.values()]
        try:
            found = self.segment_loss(self.first + start, segment, state)
        except Exception as error:
            self._refuse_updates(error)
            error.add_note(
                f"artbp called segment_loss({self.first + start}, a segment of {segment.length} steps, state) in "
                f"float64; it needs data for {self.first + self.steps} steps"
            )
            raise
        if any(parameter.grad is not None for parameter in self.parameters.values()):
            raise UserError(BACKWARD)
        return _checked(found, whole=segment.length == self.steps)


def _without_dropout(module: nn.Module | None) -> str:
    """How to switch off the dropout that there is, and nothing else."""
    parts = () if module is None else module.named_modules()
    own = [name for name, part in parts if isinstance(part, nn.RNNBase | nn.MultiheadAttention) and part.dropout > 0]
    if own:
        lines = ", ".join(f"model{'.' + name if name else ''}.dropout = 0" for name in own)
        return f"switch dropout off while you verify: {lines}, and nn.Dropout by part.eval()"
    return (
        "if it is dropout, put that in eval mode while you verify, and nothing else "
        "(for part in model.modules(): if isinstance(part, nn.Dropout): part.eval(); of an nn.LSTM: rnn.dropout = 0)"
    )


def _checked(found: Any, *, whole: bool) -> tuple[Tensor | float, Any]:
    """Loss and state. The loss of the `whole` sequence must have a gradient; a segment of it may have no loss."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise UserError(f"segment_loss must return (loss, next state); got {type(found).__name__}")
    loss, state = found
    if isinstance(loss, int | float) and not whole:  # the sum of no losses
        return float(loss), state
    if isinstance(loss, int | float) and loss == 0:
        raise UserError(
            f"the loss that segment_loss returns for the whole sequence is a plain 0 (got {type(loss).__name__}): no "
            f"step of it has a loss; take more steps=, so that one falls within"
        )
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise UserError(f"the loss that segment_loss returns must be a tensor of one number; got {got}")
    if loss.is_complex():
        raise UserError("the loss that segment_loss returns is complex: it must be a real number")
    if whole and not loss.requires_grad:
        raise UserError(
            "the loss that segment_loss returns for the whole sequence has no gradient: do not detach it; "
            "if no step of it has a loss, take more steps="
        )
    if not loss.isfinite().all():
        mean = "" if whole else "; a mean over no valid steps is nan: take their sum, divided by a constant, B·L0 say"
        raise UserError(f"the loss at these parameters is {loss.item()}: there is no gradient to compare{mean}")
    return loss.reshape(()), state


def plain(steps: int, *, without: int | None = None, memory: int | None = None) -> Segment:
    """A segment with factors 1; with factor 0 after step `without`, which stops the gradient there as a cut does."""
    factors = np.ones(steps - 1)
    if without is not None:
        factors[without - 1] = 0.0
    return Segment(length=steps, factors=factors, memory=memory)


def named(parameters: Any) -> dict[str, Tensor]:
    """Parameters that require a gradient, each once, by name. There must be one."""
    what = "parameters must be a module, its parameters() or named_parameters()"
    if callable(parameters) and not isinstance(parameters, nn.Module):
        raise UserError(f"{what}; got a function: segment_loss comes first, as artbp.verify(segment_loss, model, …)")
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if isinstance(parameters, nn.Module):
        parameters = parameters.named_parameters()
    try:
        pairs = list(parameters.items() if isinstance(parameters, Mapping) else parameters)
    except TypeError as error:
        raise UserError(f"{what}; got {type(parameters).__name__}") from error
    found: dict[str, Tensor] = {}
    for index, pair in enumerate(pairs):
        name, tensor = pair if isinstance(pair, tuple) and len(pair) == 2 else (f"parameter {index}", pair)
        if not isinstance(tensor, Tensor) or not tensor.is_leaf:
            raise UserError(f"{what}; got {type(tensor).__name__}")
        if tensor.requires_grad and not any(tensor is other for other in found.values()):
            found[str(name)] = tensor
    if not found:
        raise UserError(
            "no parameter requires a gradient (requires_grad is False, or parameters() was used up): "
            "there is nothing to verify"
        )
    return found


def refuse(segment_loss: Any, scheme: Any, state: Any) -> None:
    """Refuses a `segment_loss` that is no function, a `scheme` that is none, a `state` that is no tree of tensors."""
    if not callable(segment_loss):
        raise UserError(
            f"segment_loss must be a function (start, segment, state) → (loss, next state); "
            f"got {type(segment_loss).__name__}"
        )
    if not isinstance(scheme, Scheme):
        got = type(scheme).__name__ if isinstance(scheme, nn.Module | Tensor) else repr(scheme)  # in one line
        raise UserError(f"scheme must be one of artbp.artbp(…), artbp.tbptt(…) or a Scheme; got {got}")
    try:
        map_state(lambda tensor: tensor, state)
    except (TypeError, ValueError) as error:
        raise UserError(f"state must be a tensor, or a tree of tensors: {error}") from error
