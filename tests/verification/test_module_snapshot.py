"""What a module keeps from call to call is put back, and what has nothing to do with tensors is left alone."""

from typing import Any

import torch
from torch import nn

from artbp_exp.verification.user_loop.float64_mode import HIGHER
from artbp_exp.verification.user_loop.module_snapshot import ModuleSnapshot


class Hoarder(nn.Module):
    """Keeps tensors in every place."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(2, 1)
        self.weights = [self.read.weight]
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("later", None)
        self.hidden: Any = None
        self.cache: dict[str, Any] = {"h": torch.ones(1), "kind": "own"}
        self.calls = 0

    def forward(self) -> None:
        self.mean += 1
        self.cache["h"] += 1
        self.cache["more"] = self.cache["h"] * 2
        self.later = self.hidden = self.mean * 1
        self.new = (self.mean, None)
        self.calls += 1
        self.weights.append(self.mean)
        self.train(not self.training)


def test_everything_that_holds_tensors_is_put_back_and_in_the_end_is_the_same_memory() -> None:
    net = Hoarder()
    mean, inside, cache, weights = net.mean, net.cache["h"], net.cache, net.weights
    places = mean.data_ptr(), inside.data_ptr()
    kept = ModuleSnapshot(net, apart=[], dtypes=HIGHER)
    for _ in range(2):
        assert net.mean.dtype == net.cache["h"].dtype == torch.float64
        net()
        assert net.mean.tolist() == [1.0, 1.0]
        assert net.cache["more"].tolist() == [4.0]
        with torch.no_grad():
            net.read.weight.fill_(7.0)  # a parameter is somebody else's, wherever it lies
        kept.put_back()
        assert net.read.weight.tolist() == [[7.0, 7.0]]
    kept.give_back()
    assert net.mean is mean
    assert net.cache is cache
    assert net.weights is weights
    assert (net.mean.data_ptr(), net.cache["h"].data_ptr()) == places
    assert (mean.dtype, mean.tolist(), inside.tolist()) == (torch.float32, [0.0, 0.0], [1.0])
    assert set(net.cache) == {"h", "kind"}
    assert len(weights) == 1
    assert net.hidden is None
    assert net.later is None
    assert not hasattr(net, "new")
    assert net.training
    assert net.calls == 2
