"""Methods and tiny models that many tests try."""

import torch

from artbp_exp import registry
from artbp_exp.recurrent import RecurrentModel

# every method on offer, in a form with random or regular cuts that a short sequence shows
METHODS = {
    "bptt": {"name": "bptt"},
    "tbptt": {"name": "tbptt", "length": 3},
    "artbp-paper": {"name": "artbp", "length": 2.5, "alpha": 4},
    "artbp-constant": {"name": "artbp", "length": 3, "schedule": "constant"},
    "artbp-uncompensated": {"name": "artbp", "length": 2.5, "alpha": 4, "reweight": False},
}
UNBIASED = ("bptt", "artbp-paper", "artbp-constant")


def make_model(name: str, *, vocabulary: int = 5, hidden_size: int = 3, seed: int = 0) -> RecurrentModel:
    """A tiny model of the package in float64, any of them."""
    generator = torch.Generator().manual_seed(seed)
    settings: dict = {"name": name}
    shapes: dict = {"size": 5, "positive": 2} if name == "linear" else {"vocabulary": vocabulary}
    if name != "linear":
        settings["hidden_size"] = hidden_size
    return registry.build("model", settings, generator=generator, **shapes).double()
