"""The states must foretell the inputs to come: the p-LSTM of Trinh et al. (2018, arXiv 1803.00144)."""

from typing import Any

from torch import Tensor

from artbp_exp.methods.auxiliaries.anchored import Anchored
from artbp_exp.methods.base import Run


class Predict(Anchored):
    """The decoder stands on the states: it reads h_a … h_{a+l−1} and produces x_{a+1} … x_{a+l}; see `Anchored`."""

    def reads(self, hidden: int, width: int) -> int:
        """A state."""
        return hidden

    def places(self, steps: int) -> tuple[int, int]:
        """a ≥ 1 and a + l ≤ n."""
        return 1, steps - self._length

    def at(self, anchor: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """See `Anchored.at`."""
        read = self.states(anchor, anchor + self._length - 1, run, state, inputs)
        return self.decoded(read, None, inputs[anchor : anchor + self._length])


build = Predict
