"""Training symbols per second: forward, backward and update."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from artbp_exp.bench.contestants import ARTBP, STREAMS, TBPTT, VOCABULARY, cell_loop, ours, torch_lstm
from artbp_exp.bench.timing import Rates, interleaved, ratio

STEPS = {64: 3000, 256: 1000, 1000: 300}
"""Steps a turn, by hidden size: about ten segments or more, a second or more."""

RATIOS = [
    # (what, above, below, hidden sizes and targets)
    ("fused ÷ loop over nn.LSTMCell, embedding", "artbp fused", "artbp loop embedding", {256: 2.0, 1000: 2.5}),
    ("fused ÷ loop over nn.LSTMCell, one-hot", "artbp fused", "artbp loop one-hot", {}),
    ("fused ÷ this package's plain engine", "artbp fused", "artbp plain", {}),
    ("fused ÷ truncated nn.LSTM on an embedding", "artbp fused", "nn.LSTM embedding", {256: 1.5, 1000: 1.8}),
    ("fused ÷ truncated nn.LSTM on one-hot", "artbp fused", "nn.LSTM one-hot", {64: 1.0, 256: 1.15, 1000: 1.1}),
    (
        "bfloat16: fused ÷ truncated nn.LSTM on one-hot",
        "artbp fused bfloat16",
        "nn.LSTM one-hot bfloat16",
        {256: 1.0, 1000: 1.0},
    ),
    (
        "every=10 vendor ÷ truncated nn.LSTM on one-hot",
        "artbp every=10 vendor",
        "nn.LSTM one-hot",
        {1000: 0.98},
    ),
    ("ARTBP ÷ truncated BPTT, both fused", "artbp fused", "tbptt fused", {64: 0.95, 256: 0.95, 1000: 0.95}),
]


def contestants(hidden: int, device: torch.device) -> dict[str, Callable[[int], int]]:
    """All that take part at one hidden size."""
    common: dict[str, Any] = {"hidden": hidden, "device": device}
    return {
        "artbp fused": ours(method=ARTBP, engine="fused", **common),
        "tbptt fused": ours(method=TBPTT, engine="fused", **common),
        "artbp plain": ours(method=ARTBP, engine="plain", **common),
        "artbp loop embedding": cell_loop(embed=True, **common),
        "artbp loop one-hot": cell_loop(embed=False, **common),
        "artbp every=10 vendor": ours(method=ARTBP | {"every": 10}, engine="vendor", **common),
        "nn.LSTM one-hot": torch_lstm(embed=False, **common),
        "nn.LSTM embedding": torch_lstm(embed=True, **common),
        "artbp fused bfloat16": ours(method=ARTBP, engine="fused", autocast=torch.bfloat16, **common),
        "nn.LSTM one-hot bfloat16": torch_lstm(embed=False, autocast=torch.bfloat16, **common),
    }


def throughput(hidden: int, *, repeats: int, device: torch.device, share: float = 1.0) -> Rates:
    """Symbols per second of every contestant, (repeats,) each."""
    steps = max(1, round(share * STEPS.get(hidden, 1000)))

    def turn(work: Callable[[int], int]) -> Callable[[], float]:
        def timed() -> float:
            symbols = work(steps) * STREAMS
            if device.type == "cuda":
                torch.cuda.synchronize()
            return float(symbols)

        return timed

    turns = {name: turn(work) for name, work in contestants(hidden, device).items()}
    return interleaved(turns, repeats=repeats, label=f"hidden {hidden}")


def ratios(hidden: int, rates: Rates) -> Iterator[dict[str, Any]]:
    """The ratios that matter, with the target where there is one."""
    for what, above, below, targets in RATIOS:
        yield {"what": what, "hidden": hidden, **ratio(rates[above], rates[below]), "target": targets.get(hidden)}


def flops_per_symbol(hidden: int) -> float:
    """Floating-point operations in matrix products: forward, and twice that backward. Table look-ups are none."""
    return 6.0 * (4 * hidden * hidden + VOCABULARY * hidden)


def large_product(repeats: int, device: torch.device) -> float:
    """FLOP/s of a product of two large square matrices, median."""
    size = 2048
    a, b = (torch.randn(size, size, device=device) for _ in range(2))

    def multiply() -> float:
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return 2.0 * size**3

    rates = interleaved({"mm": multiply}, repeats=repeats, label="large product")
    return float(sorted(rates["mm"])[repeats // 2])
