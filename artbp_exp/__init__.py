"""ARTBP: truncated backpropagation through time without bias, and the experiments that show it.

For a training loop of one's own, `import artbp_exp as artbp` and then:

* a scheme, where to cut and what to reweight by: `artbp`, `tbptt`, `bptt`, `uniform`, `awd`, `from_lengths` (or a
  `Scheme` of one's own hazard);
* its segments, `scheme.segments(steps, rng)`, which under several processes all draw alike with `shared_rng`;
* the gradient that is carried on inside a segment: `unroll` for a step function, `unroll_blocks` for `torch.nn.LSTM`
  and its like, `carry` for a loop written by hand;
* the cut between segments: `detach`;
* an optimiser that does not take a long segment for a large gradient, `Adam`;
* the proof that the loop is unbiased, `verify`, and what its truncation costs, `diagnose`.

`loss.backward()` then leaves ARTBP's gradient in the parameters (Tallec & Ollivier 2017, arXiv 1705.08209), with any
optimiser. README.md has a complete example.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artbp_exp.autograd import State, Step, carry, detach, unroll, unroll_blocks
    from artbp_exp.diagnosis.user_loop import Diagnosis, diagnose
    from artbp_exp.distributed import shared_rng
    from artbp_exp.errors import UserError
    from artbp_exp.optimizers.length_aware import Adam
    from artbp_exp.truncation import Scheme, Segment, enumerate_cuts
    from artbp_exp.truncation.artbp import build as artbp
    from artbp_exp.truncation.awd import build as awd
    from artbp_exp.truncation.bptt import build as bptt
    from artbp_exp.truncation.lengths import from_lengths
    from artbp_exp.truncation.tbptt import build as tbptt
    from artbp_exp.truncation.uniform import build as uniform
    from artbp_exp.verification.user_loop import Verification, verify

__version__ = "0.1.0"

__all__ = [
    "Adam",
    "Diagnosis",
    "Scheme",
    "Segment",
    "State",
    "Step",
    "UserError",
    "Verification",
    "__version__",
    "artbp",
    "awd",
    "bptt",
    "carry",
    "detach",
    "diagnose",
    "enumerate_cuts",
    "from_lengths",
    "shared_rng",
    "tbptt",
    "uniform",
    "unroll",
    "unroll_blocks",
    "verify",
]

# name → (module, name there); loaded when first asked for, because torch takes a second and most of this needs none
_HOME = {
    **{name: ("artbp_exp.truncation", name) for name in ("Scheme", "Segment", "enumerate_cuts")},
    **{name: (f"artbp_exp.truncation.{name}", "build") for name in ("artbp", "awd", "bptt", "tbptt", "uniform")},
    "from_lengths": ("artbp_exp.truncation.lengths", "from_lengths"),
    **{name: ("artbp_exp.autograd", name) for name in ("State", "Step", "carry", "detach", "unroll", "unroll_blocks")},
    "shared_rng": ("artbp_exp.distributed", "shared_rng"),
    "Adam": ("artbp_exp.optimizers.length_aware", "Adam"),
    "UserError": ("artbp_exp.errors", "UserError"),
    "diagnose": ("artbp_exp.diagnosis.user_loop", "diagnose"),
    "Diagnosis": ("artbp_exp.diagnosis.user_loop", "Diagnosis"),
    **{name: ("artbp_exp.verification.user_loop", name) for name in ("Verification", "verify")},
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOME[name]
    value = getattr(importlib.import_module(module), there)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
