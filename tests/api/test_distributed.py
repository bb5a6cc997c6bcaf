"""Two processes with half of the streams each get the gradient of one process with them all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import artbp_exp as artbp
from artbp_exp.errors import UserError
from tests.api.modules import WIDTH, accumulate, data, make

STEPS, BATCH, RANKS = 40, 4, 2
MODULE_NAMES = ("own", "LSTM", "step by step")


class OneStep(nn.Module):
    """A module whose forward is one step, wrapped as it is: DDP is called once a step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.cell = nn.GRUCell(1, WIDTH).double()

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.cell(x, state)
        return state, state


class Stepwise(nn.Module):
    """Unrolls a module that may be wrapped."""

    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = lambda module: module) -> None:
        super().__init__()
        self.inner = wrap(OneStep())

    def start(self, batch: int) -> Tensor:
        return torch.zeros(batch, WIDTH, dtype=torch.float64)

    def forward(self, x: Tensor, state: Tensor, segment: artbp.Segment) -> tuple[Tensor, Tensor]:
        outputs, state = artbp.unroll(self.inner, x, state, segment)
        return torch.stack(outputs), state


def wrapped(name: str) -> nn.Module:
    return Stepwise(DistributedDataParallel) if name == "step by step" else DistributedDataParallel(make(name))


def work(rank: int, folder: str) -> None:
    """One of the processes: gradients and cuts go to a file.

    Neither rank leaves before the other is done, and both leave without the interpreter's tear-down: gloo's threads and
    DDP's reducer outlive the process group there, and now and then one of them aborts a process that has done its work.
    """
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=RANKS)
    scheme, found = artbp.artbp(length=5, alpha=4, memory=3), {}
    x, y = (tensor.chunk(RANKS, dim=1)[rank] for tensor in data(STEPS, BATCH))
    for name in MODULE_NAMES:
        model = wrapped(name)
        segments = [segment for _, segment in scheme.segments(STEPS, artbp.shared_rng(7))]
        found[name] = ([s.length for s in segments], accumulate(model, segments, x, y))
    fresh = artbp.shared_rng().random(3).tolist()
    try:
        artbp.shared_rng(rank)
        refused = ""
    except UserError as error:
        refused = str(error)
    torch.save((found, fresh, refused), Path(folder, f"{rank}.pt"))
    dist.barrier()
    os._exit(0)


@pytest.mark.skipif(not dist.is_gloo_available(), reason="this build of torch has no gloo")
def test_two_processes_have_the_gradient_of_one_with_twice_the_batch(tmp_path: Path) -> None:
    mp.spawn(work, args=(str(tmp_path),), nprocs=RANKS)
    (first, fresh, refused), (second, same, also_refused) = (
        torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(RANKS)
    )
    scheme = artbp.artbp(length=5, alpha=4, memory=3)
    segments = [segment for _, segment in scheme.segments(STEPS, artbp.shared_rng(7))]
    assert len(segments) > 3
    for name in MODULE_NAMES:
        lengths, gradient = first[name]
        assert lengths == second[name][0] == [s.length for s in segments]
        assert torch.equal(gradient, second[name][1])
        alone = Stepwise() if name == "step by step" else make(name)
        wanted = accumulate(alone, segments, *data(STEPS, BATCH))
        torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-14)
    assert fresh == same
    assert "the same seed on every rank; got [0, 1]" in refused == also_refused


def test_without_processes_it_is_an_ordinary_stream() -> None:
    assert artbp.shared_rng(3).random() == artbp.shared_rng(3).random()
    assert artbp.shared_rng().random() != artbp.shared_rng().random()


@pytest.mark.parametrize("seed", ["a", -1, 1.5, True])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(UserError, match="seed of shared_rng must be a whole number ≥ 0"):
        artbp.shared_rng(seed)
