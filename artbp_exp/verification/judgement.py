"""From what was found to a verdict: only what was tested, and passed, and is what a run does, is certified."""

from collections.abc import Sequence
from dataclasses import dataclass

from artbp_exp.verification.exact import Exact
from artbp_exp.verification.monte_carlo import Interval

EXACT = "enumeration"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict and why.

    Attributes:
        verdict: `certified`; `refuted`: biased; `not certified`: unbiased up to something that was not tested;
            `not tested`: no cut could fall.
        reasons: why it is not certified.
    """

    verdict: str
    reasons: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether it is certified."""
        return self.verdict == "certified"

    def __str__(self) -> str:
        return f"{self.verdict}: {'; '.join(self.reasons)}" if self.reasons else self.verdict


def judge(
    *,
    exact: Exact,
    prescribed: Sequence[str],
    sampled: Sequence[Interval],
    idle: Sequence[str],
    clip: float | None,
    mixed: bool,
) -> Judgement:
    """The verdict on one configuration.

    Args:
        exact: what enumeration found.
        prescribed: what is wrong at full size, found without draws; empty if nothing is.
        sampled: intervals at full size; empty where nothing was sampled. They are information: draws of a heavy-tailed
            estimate need not show its variance, so only what the exact variance rules out counts.
        idle: the tests in which no cut could fall, though the method cuts.
        clip: `optimizer.clip`.
        mixed: whether the run computes in mixed precision, which enumeration does not.
    """
    refuted = [exact.reason] if exact.reason is not None else []
    refuted += prescribed if not refuted else []
    off = [interval for interval in sampled if interval.impossible]
    if off:
        worst = max(off, key=lambda interval: abs(interval.bias))
        refuted.append(
            f"at full size the gradient of {worst.parameter} is off by {abs(worst.bias):.1%} ({worst.direction})"
        )
    clipping = (
        [f"optimizer.clip={clip:g} shortens large gradients after they are estimated, which biases them"]
        if clip is not None
        else []
    )
    if refuted:
        return Judgement(verdict="refuted", reasons=(*refuted, *clipping))
    if clipping:
        return Judgement(
            verdict="not certified", reasons=(*clipping, "what is measured here is the gradient before clipping")
        )
    if idle:
        return Judgement(
            verdict="not tested",
            reasons=tuple(f"no cut can fall within the steps of the {name} part, so it says nothing" for name in idle),
        )
    if mixed and not sampled:
        return Judgement(
            verdict="not tested",
            reasons=("enumeration is in float64, and nothing was run in mixed precision: verify.draws is 0",),
        )
    return Judgement(verdict="certified")
