"""Checks and measures the engines on a GPU, in one command of less than ten minutes: python scripts/gpu_check.py

First the gradients of every engine and model against the plain engine, in float64, float32 and with bfloat16 products,
with random factors, lengths and states; then the fused engine against truncated BPTT by cuDNN, at 256 and 1000 units.
Prints tables; the exit status is 1 where a gradient is off. `--device cpu --no-bench` tries the script itself.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from artbp_exp import registry
from artbp_exp.autograd import leaves, map_state
from artbp_exp.autograd.engines import ENGINES, find_engine
from artbp_exp.bench import timing
from artbp_exp.bench.throughput import throughput
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.training.experiment import find_device
from artbp_exp.truncation import Segment

CELLS = ("lstm", "authors", "gru", "rnn")
VOCABULARY, STREAMS = 11, 6
BOUNDS = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 0.06}
"""Largest relative error of a parameter's gradient, by the dtype of the products."""


def gradients(
    model: RecurrentModel, engine: str, segment: Segment, products: torch.dtype, seed: int
) -> dict[str, torch.Tensor]:
    """Gradients at the parameters and at the state before the segment."""
    device = next(model.parameters()).device
    run = find_engine(engine, model)[1]
    generator = torch.Generator().manual_seed(seed)

    def normal(shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(device, next(model.parameters()).dtype)

    symbols = torch.randint(VOCABULARY, (segment.length, STREAMS), generator=generator).to(device)
    state = map_state(lambda leaf: normal(leaf.shape).requires_grad_(), model.init_state(STREAMS))
    with torch.autocast(device.type, torch.bfloat16, enabled=products == torch.bfloat16):
        outputs, last = run(symbols, state, segment)
        total = (outputs * normal(outputs.shape)).sum()
    total = total + sum(leaf.square().sum() for leaf in leaves(last))
    model.zero_grad()
    total.backward()
    named = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = named | {f"state {i}": leaf.grad for i, leaf in enumerate(leaves(state)) if leaf.grad is not None}
    return {name: gradient.double().clone() for name, gradient in found.items()}


def errors(cell: str, engine: str, hidden: int, products: torch.dtype, device: torch.device) -> Iterator[float]:
    """Largest relative error of each of some random segments, against the plain engine in float64."""
    rng = np.random.default_rng(0)
    for seed, length in enumerate((1, 2, 7, 20, 100)):
        generator = torch.Generator().manual_seed(seed)
        model: RecurrentModel = registry.build(
            "model", {"name": cell, "hidden_size": hidden}, vocabulary=VOCABULARY, generator=generator
        )
        model = model.to(device, torch.float64)
        factors = np.where(rng.random(length - 1) < 0.4, 1.0, 0.5 + rng.random(length - 1))
        segment = Segment(length=length, factors=factors)
        wanted = gradients(model, "plain", segment, torch.float64, seed)
        found = gradients(model if products == torch.float64 else model.float(), engine, segment, products, seed)
        off = [
            float((found[name] - wanted[name]).norm() / wanted[name].norm()) for name in wanted if wanted[name].any()
        ]
        yield float(np.max(off))  # which NaN is the greatest of, unlike Python's


PAIRS = [
    ("artbp fused", "nn.LSTM one-hot"),
    ("artbp fused bfloat16", "nn.LSTM one-hot bfloat16"),
    ("artbp fused", "tbptt fused"),
    ("gru fused", "nn.GRU one-hot"),
]
ALONE = ("authors fused", "authors fused bfloat16")
"""Contestants of `artbp-bench`; its others launch each step's kernels from Python, and would take an hour."""


def bench(hidden: int, device: torch.device, *, steps: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """(symbols per second, ratios) at one hidden size, three rounds of at least `steps` steps."""
    names = {*ALONE, *(name for pair in PAIRS for name in pair)}
    rates = throughput(hidden, repeats=3, device=device, names=names, steps=steps)
    ratios = [
        {"what": f"{above} ÷ {below}", "hidden": hidden, **timing.ratio(rates[above], rates[below])}
        for above, below in PAIRS
    ]
    return list(timing.rows(rates, hidden=hidden)), ratios


def write_bench(device: torch.device, out: Path, *, steps: int) -> None:
    """Measures and writes CSVs, and what they were measured on."""
    rows, ratios = zip(*(bench(hidden, device, steps=steps) for hidden in (256, 1000)), strict=True)
    out.mkdir(parents=True, exist_ok=True)
    for name, parts in (("throughput", rows), ("ratios", ratios)):
        table = pd.DataFrame([row for part in parts for row in part])
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
        print(table.to_string(index=False))
    machine = timing.machine(f"python scripts/gpu_check.py --steps {steps}", device)
    (out / "machine.json").write_text(json.dumps(machine, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Runs the checks, then the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    parser.add_argument("--hidden", type=int, default=128, help="units of the checks (default: 128)")
    parser.add_argument("--no-bench", action="store_true", help="check the gradients only")
    parser.add_argument("--steps", type=int, default=3000, help="of a turn of the bench (default: 3000)")
    parser.add_argument(
        "--out", type=Path, default=Path("results/bench_gpu"), help="folder of the bench (default: results/bench_gpu)"
    )
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is available here; try the script with --device cpu --no-bench", file=sys.stderr)
        return 2
    device = find_device(options.device)
    wrong = 0
    for cell in CELLS:
        for engine in ENGINES[1:]:
            for products, bound in BOUNDS.items():
                if engine == "plain" and products == torch.float64:
                    continue  # it is the oracle
                try:
                    worst = float(np.max([*errors(cell, engine, options.hidden, products, device)]))
                except UserError:
                    continue  # the model does not have this engine
                wrong += not worst < bound
                verdict, name = "ok " if worst < bound else "OFF", str(products).removeprefix("torch.")
                print(f"{verdict} {cell:8} {engine:7} {name:9} {worst:.1e} < {bound:g}", flush=True)
    if not wrong and not options.no_bench:
        write_bench(device, options.out, steps=options.steps)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
