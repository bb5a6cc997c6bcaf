"""Settings of every truncation scheme, to run the same tests over all of them."""

from typing import Any

import numpy as np

from artbp_exp import registry
from artbp_exp.truncation import Scheme

# a scheme that is not listed here is tested at the settings that its `build` has by default
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "artbp": [
        {"length": 2.5, "alpha": 4},
        {"length": 2.5, "alpha": 2.5},
        {"length": 3, "alpha": 6},
        {"length": 2.5, "schedule": "constant"},
        {"length": 2.5, "alpha": 4, "reweight": False},
        {"length": 2.5, "schedule": "constant", "reweight": False},
    ],
    "tbptt": [
        {"length": 1},
        {"length": 3},
        {"length": 7},
        {"length": 8},
        {"length": 20},
        {"length": 3, "phase": "random"},
    ],
    "uniform": [{"length": 4}, {"length": 3, "spread": 0.9, "reweight": True}],
    "awd": [{"length": 4, "deviation": 1.5, "shortest": 2}],
}


def label(settings: dict[str, Any]) -> str:
    return "-".join(str(v) if k == "name" else f"{k}={v}" for k, v in settings.items())


ALL = [
    {"name": name, **v} for name in registry.names("method", package=registry.SCHEMES) for v in VARIANTS.get(name, [{}])
]


def build_scheme(settings: dict[str, Any]) -> Scheme:
    scheme = registry.build("method", settings)
    assert isinstance(scheme, Scheme)
    return scheme


def promises_no_bias(scheme: Scheme, steps: int) -> bool:
    """No cut within `steps` steps at all, or none that is certain and all of them compensated."""
    hazard = scheme.hazard(np.arange(1, steps))
    return bool((hazard == 0).all() or (scheme.reweight and (hazard < 1).all()))
