"""What each device of the fused engine is worth: the engine with it, divided by the engine without."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import mock

import torch

from artbp_exp.autograd.fused import execution, products
from artbp_exp.bench.contestants import STREAMS, TBPTT, ours
from artbp_exp.bench.throughput import STEPS
from artbp_exp.bench.timing import interleaved, ratio

WITHOUT: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "all": nullcontext,
    "a segment in one compiled call": lambda: mock.patch.object(execution, "is_whole", return_value=False),
    "steps compiled by Numba": lambda: mock.patch.object(execution, "has_numba", return_value=False),
    "weight gradients by oneDNN": lambda: mock.patch.object(products, "over_time_by_onednn", return_value=False),
}


def ablations(hidden: int, *, repeats: int, device: torch.device, share: float = 1.0) -> Iterator[dict[str, Any]]:
    """Rows: what was left out, and the rate with it ÷ without it (truncated BPTT of length 50, one segment a time)."""
    steps = max(50, round(share * STEPS.get(hidden, 1000)))

    def turn(without: Callable[[], AbstractContextManager[Any]]) -> Callable[[], float]:
        work = ours(method=TBPTT, engine="fused", hidden=hidden, device=device)

        def run() -> float:
            with without():
                return float(work(steps) * STREAMS)

        return run

    turns = {name: turn(without) for name, without in WITHOUT.items()}
    rates = interleaved(turns, repeats=repeats, label=f"without, hidden {hidden}")
    for name in WITHOUT:
        if name != "all":
            yield {"device": name, "hidden": hidden, **ratio(rates["all"], rates[name])}
