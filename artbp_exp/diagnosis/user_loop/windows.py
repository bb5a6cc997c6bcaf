"""Windows of a user's data, and whether what is measured there means anything."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from artbp_exp.autograd import detach
from artbp_exp.diagnosis.measure import as_vector
from artbp_exp.diagnosis.user_loop.timed_loop import TimedLoop
from artbp_exp.errors import UserError
from artbp_exp.training.gradient import Pass
from artbp_exp.truncation.artbp import build as artbp
from artbp_exp.verification.enumeration import enumerate_outcomes, pass_over
from artbp_exp.verification.user_loop.causes import SAME, Compared, causes, compare
from artbp_exp.verification.user_loop.segment_loss import SegmentLoss, plain
from artbp_exp.verification.user_loop.uncut import not_the_derivative, padding_rows

BLOCKS = 4
"""Parts of a window between which the check cuts: 8 ways."""
BIASED = 1e-7
"""Relative bias of a parameter that rounding over hundreds of steps cannot explain."""


class Window:
    """One window: the loop over its steps, and its true gradient."""

    def __init__(self, loop: TimedLoop) -> None:
        self.loop = loop
        self.whole: Pass = pass_over(loop, [plain(loop.steps)])
        self.truth: Tensor = as_vector(self.whole.gradient)


def windows(
    segment_loss: SegmentLoss, starts: Sequence[int], states: Iterable[Any] | None, bar: "tqdm[Any]", **settings: Any
) -> Iterator[Window]:
    """The windows that begin at `starts`, each computed when it is asked for.

    `states` are those before each of them; None runs the loop from window to window. `settings` are those of
    `TimedLoop`, with `state` before the first window.
    """
    given = None if states is None else iter(states)
    state, steps = settings.pop("state"), settings["steps"]
    done = starts[0]
    for start in starts:
        if given is not None:
            try:
                state = next(given)
            except StopIteration:
                raise UserError(f"states must have one for each of starts, {len(starts)}; got fewer") from None
        try:
            with torch.no_grad():
                while given is None and done < start:
                    length = min(steps, start - done)
                    _, state = segment_loss(done, plain(length), state)
                    done += length
            loop = TimedLoop(segment_loss=segment_loss, state=state, first=start, **settings)
            loop.bar = bar
            window = Window(loop)
        except Exception as error:
            if start == starts[0]:
                raise
            why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            raise UserError(
                f"the window of steps {start} to {start + steps - 1} fails ({why}), while the first did not: "
                f"{len(starts)} windows of {steps} steps need data for {starts[-1] + steps}; if yours are shorter, "
                f"take fewer or shorter windows (windows=1, steps=…)"
            ) from error
        yield window
        state, done = detach(window.whole.carry.state), start + steps


def check(window: Window, module: nn.Module | None) -> Iterator[str]:
    """Refuses a loop that does not repeat, or that `artbp.verify` refutes: cuts at a few places show most mistakes.

    Yields what may be meant, but makes the numbers mean something else.
    """
    loop, truth = window.loop, window.truth
    if not truth.norm() > 0:
        raise UserError("the loss has no gradient with respect to any of the parameters: there is nothing to diagnose")
    again = as_vector(pass_over(loop, [plain(loop.steps)]).gradient)
    if float((again - truth).norm()) > SAME * float(truth.norm()):
        raise UserError(
            "the same segment twice gave different gradients: segment_loss draws from a generator of its own, or keeps "
            "something from call to call that is not in the module; hand it on in the state"
        )
    apart = -(-loop.steps // BLOCKS)
    scheme = artbp(length=2.5 * apart, alpha=4, every=apart)
    compared: list[Compared] = []
    found = enumerate_outcomes(
        loop, scheme, window.whole.gradient, each=lambda one: compared.append(compare(one, window.whole))
    )
    wrong = causes(
        loop,
        scheme,
        window.whole,
        compared,
        biased=max(found.bias.values()) > BIASED or not all(one.same_loss for one in compared),
        crossed=True,
        derivative=False,
        padding={},
    )
    if wrong:
        raise UserError(f"artbp.verify refutes this loop, and no number measured of it would mean anything: {wrong[0]}")
    # relative to ‖g‖, squared: rounding
    if found.variance <= (BIASED * float(truth.norm())) ** 2:
        yield (
            "no gradient crosses the places of a window where a cut was tried: cuts take nothing away there, or the "
            "parameters that the past acts on were not handed in"
        )
    if not_the_derivative(loop, window.whole, padding_rows(module, loop.parameters)) is not None:
        yield (
            "the gradient of a window is not the derivative of its loss, artbp.verify says where: if a state is "
            "detached inside a segment, what stands here as the truth is truncated itself"
        )
