"""Training symbols per second: forward, backward and update."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from artbp_exp.autograd import unroll_blocks
from artbp_exp.autograd.fused.execution import has_numba
from artbp_exp.autograd.fused.products import has_onednn, onednn_product
from artbp_exp.bench.contestants import ARTBP, STREAMS, TBPTT, VOCABULARY, cell_loop, ours, torch_module
from artbp_exp.bench.timing import Rates, interleaved, ratio, rows

STEPS = {64: 3000, 256: 1000, 1000: 300}
"""Steps a turn, by hidden size: about ten segments or more, a second or more."""

RATIOS = [
    # (what, above, below, hidden sizes and targets)
    ("fused ÷ truncated nn.LSTM on one-hot", "artbp fused", "nn.LSTM one-hot", {64: 1.5, 256: 1.25, 1000: 1.05}),
    (
        "bfloat16: fused ÷ truncated nn.LSTM on one-hot",
        "artbp fused bfloat16",
        "nn.LSTM one-hot bfloat16",
        {64: 1.1, 256: 1.0, 1000: 1.45},
    ),
    ("ARTBP ÷ truncated BPTT, both fused", "artbp fused", "tbptt fused", {64: 0.97, 256: 0.97, 1000: 0.97}),
    (
        "unroll_blocks(nn.LSTM), ARTBP ÷ truncated nn.LSTM, both on an embedding",
        "artbp unroll_blocks embedding",
        "nn.LSTM embedding",
        {256: 0.8},
    ),
    ("GRU: fused ÷ truncated nn.GRU on one-hot", "gru fused", "nn.GRU one-hot", {}),
    ("fused ÷ truncated nn.LSTM on an embedding", "artbp fused", "nn.LSTM embedding", {256: 1.5, 1000: 1.8}),
    ("fused ÷ loop over nn.LSTMCell, embedding", "artbp fused", "artbp loop embedding", {256: 2.0, 1000: 2.5}),
    ("fused ÷ loop over nn.LSTMCell, one-hot", "artbp fused", "artbp loop one-hot", {}),
    ("fused ÷ this package's plain engine", "artbp fused", "artbp plain", {}),
    ("every=10 vendor ÷ truncated nn.LSTM on one-hot", "artbp every=10 vendor", "nn.LSTM one-hot", {1000: 0.98}),
]


def contestants(hidden: int, device: torch.device) -> dict[str, Callable[[int], int]]:
    """All that take part at one hidden size."""
    common: dict[str, Any] = {"hidden": hidden, "device": device}
    low = {"autocast": torch.bfloat16, **common}
    return {
        "artbp fused": ours(method=ARTBP, engine="fused", **common),
        "tbptt fused": ours(method=TBPTT, engine="fused", **common),
        "artbp plain": ours(method=ARTBP, engine="plain", **common),
        "artbp loop embedding": torch_module(embed=True, module=nn.LSTMCell, unroll=cell_loop, **common),
        "artbp loop one-hot": torch_module(embed=False, module=nn.LSTMCell, unroll=cell_loop, **common),
        "artbp every=10 vendor": ours(method=ARTBP | {"every": 10}, engine="vendor", **common),
        "artbp unroll_blocks embedding": torch_module(embed=True, unroll=unroll_blocks, **common),
        "nn.LSTM one-hot": torch_module(embed=False, **common),
        "nn.LSTM embedding": torch_module(embed=True, **common),
        "artbp fused bfloat16": ours(method=ARTBP, engine="fused", **low),
        "nn.LSTM one-hot bfloat16": torch_module(embed=False, **low),
        "authors fused": ours(method=ARTBP, engine="fused", model="authors", **common),
        "authors fused bfloat16": ours(method=ARTBP, engine="fused", model="authors", **low),
        "gru fused": ours(method=ARTBP, engine="fused", model="gru", **common),
        "nn.GRU one-hot": torch_module(embed=False, module=nn.GRU, **common),
    }


def throughput(
    hidden: int,
    *,
    repeats: int,
    device: torch.device,
    share: float = 1.0,
    names: Collection[str] | None = None,
    steps: int | None = None,
) -> Rates:
    """Symbols per second of the contestants, (repeats,) each.

    `names` are those that take part, None: all. A turn has at least `steps`; None: a `share` of the usual ones.
    """
    least = max(1, round(share * STEPS.get(hidden, 1000))) if steps is None else steps

    turns = {
        name: partial(work, least)
        for name, work in contestants(hidden, device).items()
        if names is None or name in names
    }
    return interleaved(turns, repeats=repeats, label=f"hidden {hidden}", scale=STREAMS)


def ratios(hidden: int, rates: Rates) -> Iterator[dict[str, Any]]:
    """The ratios that matter, with the target where there is one."""
    for what, above, below, targets in RATIOS:
        yield {"what": what, "hidden": hidden, **ratio(rates[above], rates[below]), "target": targets.get(hidden)}


WEIGHTS = {"artbp fused": 4, "nn.LSTM one-hot": 4, "authors fused": 5, "gru fused": 3, "nn.GRU one-hot": 3}
"""Recurrent weights of a unit with all others; a contestant may also run with bfloat16 products."""

SHARES = {64: 0.55, 256: 0.72, 1000: 0.9}
"""Targets of `artbp fused`."""


def shares(hidden: int, rates: Rates, limits: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """Rows: floating-point operations per second in matrix products, and their share of the limit.

    A symbol takes 2 operations for each weight forward and 4 backward. Table look-ups are none. `rates` are symbols per
    second, `limits` map the dtype of products to the operations per second of the fastest.
    """
    for name, found in rates.items():
        contestant, low, _ = name.partition(" bfloat16")
        if contestant in WEIGHTS:
            limit = limits["bfloat16" if low else "float32"]
            weights = WEIGHTS[contestant] * hidden * hidden + VOCABULARY * hidden
            achieved = float(np.median(found)) * 6.0 * weights
            yield {
                "hidden": hidden,
                "contestant": name,
                "flops": achieved,
                "limit": limit,
                "share of the limit": achieved / limit,
            }


def products(hidden: int, *, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Rows: operations per second of a step's product (64 rows, hidden → 4·hidden), by each library and dtype.

    The greatest of a dtype, over all hidden sizes, is the limit that the engine is measured against.
    """
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        turns = _turns(hidden, dtype, device)
        rates = interleaved(turns, repeats=repeats, label=f"{name} products, {hidden}")
        yield from rows(rates, hidden=hidden, dtype=name)


def _turns(hidden: int, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[[], float]]:
    a = torch.randn(STREAMS, hidden, device=device).to(dtype)
    weight = torch.randn(4 * hidden, hidden, device=device).to(dtype)
    times = max(1, round(2e8 / (8 * STREAMS * hidden * hidden)))
    found: dict[str, Callable[[], Any]] = {"torch.mm": lambda: torch.mm(a, weight.t())}
    if has_onednn(weight):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, STREAMS)
        found["oneDNN, packed"] = lambda: onednn_product(a, packed)
    if device.type == "cpu" and dtype == torch.float32 and has_numba():
        from artbp_exp.autograd.fused import panels  # the extra `fast`

        own, out = panels.pack(weight), torch.empty(STREAMS, 4 * hidden + panels.COLUMNS).numpy()
        found["own, Numba"] = lambda: panels.multiply_once(a[None].numpy(), own, out)

    def turn(multiply: Callable[[], Any]) -> Callable[[], float]:
        def run() -> float:
            for _ in range(times):
                multiply()
            if device.type == "cuda":
                torch.cuda.synchronize()
            return times * 8.0 * STREAMS * hidden * hidden

        return run

    return {name: turn(multiply) for name, multiply in found.items()}
