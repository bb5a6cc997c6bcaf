"""Checks and measures the engines on a GPU, in one command of less than ten minutes: python scripts/gpu_check.py

First the gradients of every engine and model against the plain engine, in float64, float32 and with bfloat16 products,
with random factors, lengths and states; then `artbp-bench` on the device. Prints a table; the exit status is 1 where a
gradient is off. `--device cpu --no-bench` tries the script itself.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.autograd import leaves, map_state
from artbp_exp.autograd.engines import ENGINES, find_engine
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
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
        yield max(
            float((found[name] - wanted[name]).norm() / wanted[name].norm()) for name in wanted if wanted[name].any()
        )


def main() -> int:
    """Runs the checks, then the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu (default: cuda)")
    parser.add_argument("--hidden", type=int, default=128, help="units of the checks (default: 128)")
    parser.add_argument("--no-bench", action="store_true", help="check the gradients only")
    parser.add_argument("--out", default="results/bench_gpu", help="folder of the bench (default: results/bench_gpu)")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is available here; try the script with --device cpu --no-bench", file=sys.stderr)
        return 2
    wrong = 0
    for cell in CELLS:
        for engine in ENGINES[1:]:
            for products, bound in BOUNDS.items():
                if engine == "plain" and products == torch.float64:
                    continue  # it is the oracle
                try:
                    worst = max(errors(cell, engine, options.hidden, products, torch.device(options.device)))
                except UserError:
                    continue  # the model does not have this engine
                wrong += not worst < bound
                verdict, name = "ok " if worst < bound else "OFF", str(products).removeprefix("torch.")
                print(f"{verdict} {cell:8} {engine:7} {name:9} {worst:.1e} < {bound:g}", flush=True)
    if not wrong and not options.no_bench:
        bench = ["--device", options.device, "--hidden", "256,1000", "--repeats", "3", "--share", "0.3"]
        subprocess.run([sys.executable, "-m", "artbp_exp.cli.bench", *bench, "--out", options.out], check=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
