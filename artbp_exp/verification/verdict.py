"""What `verify` found of a training loop of the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from artbp_exp.verification.exact import BIAS_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found; `str` of it is a table.

    Attributes:
        bias: parameter → ‖E ĝ − g‖ / ‖g‖: ĝ the gradient with cuts, summed over segments, E its mean over all ways to
            cut, g that of full BPTT. Of a parameter without a gradient of its own: relative to the whole gradient.
        untested: parameters without a gradient, or with rounding alone: nothing is known of their bias.
        variance: E‖ĝ − E ĝ‖² / ‖g‖², over all parameters.
        patterns: ways to cut that have a probability above 0; all of them were run.
        steps: T, of the sequence.
        reasons: why it is not certified, in words; empty if it is.
        notes: what does not count against it as it is, but would with other settings.
        unchecked: checks that were left out.
    """

    bias: Mapping[str, float]
    untested: tuple[str, ...]
    variance: float
    patterns: int
    steps: int
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether the mean over all ways to cut is full BPTT's gradient, to rounding, and nothing else is wrong."""
        return not self.reasons

    def __str__(self) -> str:
        width = max(len("parameter"), *map(len, self.bias))
        rows = [f"{'parameter':<{width}}  relative bias"]
        rows += [f"{name:<{width}}  {self._row(name, bias)}" for name, bias in self.bias.items()]
        rows.append(
            f"{self.patterns} way{'s' if self.patterns > 1 else ''} to cut {self.steps} steps, in float64; "
            f"variance {self.variance:.3g} ‖g‖²"
        )
        rows += [f"note: {note}" for note in self.notes]
        rows += [f"not checked: {left_out}" for left_out in self.unchecked]
        if self.certified:
            but = [f"no gradient reaches {', '.join(self.untested)}"] if self.untested else []
            but += [f"not checked: {left_out}" for left_out in self.unchecked]
            return "\n".join([*rows, f"verdict: certified ({'; '.join(but)})" if but else "verdict: certified"])
        verdict = "refuted" if max(self.bias.values()) >= BIAS_TOLERANCE else "not certified"
        return "\n".join([*rows, f"verdict: {verdict}: {'; '.join(self.reasons)}"])

    def _row(self, name: str, bias: float) -> str:
        if bias >= BIAS_TOLERANCE:
            return f"{bias:13.1e}  BIASED"
        return f"{'—':>13}  no gradient: not tested" if name in self.untested else f"{bias:13.1e}  ok"
