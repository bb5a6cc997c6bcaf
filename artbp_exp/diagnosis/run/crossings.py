"""What a cut would take away, ‖ε_t G_t‖², by an engine and stream by stream: the quick way to the oracle's numbers."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import leaves, map_state
from artbp_exp.autograd.engines import find_engine
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.theory.exact_variance import Crossings
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.oracle import Full


def crossings(model: RecurrentModel, full: Full, scheme: Scheme, *, streams: int) -> Crossings:
    """‖Σ_b Y_b‖² and Σ_b ‖Y_b‖² of the crossing gradients Y_b = ε_t G_t of B = `streams`, for `predicted_variance`.

    G_t is the forward sensitivity with the scheme's factors, so ε_t, sent back from s_t through a segment that runs
    from s_a to s_t, is ε_t G_t in the parameters' gradients. A stream by itself has no part of the others in it.
    """
    _, run = find_engine("auto", model)
    parameters = list(model.parameters())
    factors = scheme.factors(len(full.inputs))

    def crossing(start: int, stop: int, stream: int) -> Tensor:
        def alone(tensor: Tensor) -> Tensor:
            return tensor[stream : stream + 1]

        segment = Segment(length=stop - start, factors=factors[: stop - start - 1])
        inputs = full.inputs[start:stop, stream : stream + 1]
        _, last = run(inputs, map_state(alone, full.states[start]), segment)
        arriving = leaves(map_state(alone, full.arriving[stop - 1]))
        found = torch.autograd.grad(leaves(last), parameters, arriving, materialize_grads=True)
        return torch.cat([gradient.flatten().double() for gradient in found])

    def squares(start: int, stops: Sequence[int]) -> tuple[Floats, Floats]:
        each = [[crossing(start, stop, stream) for stream in range(streams)] for stop in stops]
        together = [float(sum(parts[1:], parts[0]).square().sum()) for parts in each]
        return np.array(together), np.array([sum(float(part.square().sum()) for part in parts) for parts in each])

    return squares
