"""The verdict on one configuration, from what was tested of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from artbp_exp.verification.enumeration import Exact
from artbp_exp.verification.monte_carlo import Interval


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
    idle: bool,
    clip: float | None,
    rounded: Sequence[str],
    beside: str = "",
) -> Judgement:
    """The verdict on one configuration: only what was tested, and passed, and is what a run does, is certified.

    Args:
        exact: what enumeration found.
        prescribed: what is wrong at full size, found without draws; empty if nothing is.
        sampled: intervals at full size; empty where nothing was sampled. They are information: draws of a heavy-tailed
            estimate need not show its variance, so only what the exact variance rules out counts.
        idle: whether no cut could fall while enumerating, though the method cuts.
        clip: `optimizer.clip`.
        rounded: why the gradient in the run's own precision is not known to be that of float64; empty if it is.
        beside: an auxiliary loss, which learns, so that what holds now says nothing of later.
    """
    refuted = [exact.reason] if exact.reason is not None else list(prescribed)
    off = [interval for interval in sampled if interval.impossible]
    if off:
        worst = max(off, key=lambda interval: abs(interval.bias))
        refuted.append(
            f"at full size the gradient of {worst.parameter} is off by {abs(worst.bias):.1%} ({worst.direction})"
        )
    later = [*rounded]
    if clip is not None:
        later.append(
            f"optimizer.clip={clip:g} shortens large gradients after they are estimated, which biases them; what is "
            f"measured here is the gradient before clipping"
        )
    if refuted:
        return Judgement(verdict="refuted", reasons=(*refuted, *later))
    if beside:
        later.append(f"{beside} changes the gradient as it learns; what is measured here is the gradient before that")
    if later:
        return Judgement(verdict="not certified", reasons=tuple(later))
    if idle:
        reason = "no cut can fall within the steps of the enumeration part, so it says nothing"
        return Judgement(verdict="not tested", reasons=(reason,))
    if exact.blunt:
        reason = f"the draws show no bias below {max(exact.limits.values()):.2g} of a parameter's gradient only"
        return Judgement(verdict="not tested", reasons=(f"{reason}; take more particles",))
    return Judgement(verdict="certified")
