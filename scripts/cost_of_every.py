"""What `every` costs: nn.LSTM over an epoch with truncated BPTT, with ARTBP on the fused engine, and block by block."""

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import artbp_exp as artbp

STREAMS, MEAN = 32, 50


def main() -> None:
    """Prints a Markdown table."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--hidden", type=int, default=256)
    given.add_argument("--steps", type=int, default=2000)
    options = given.parse_args()
    torch.manual_seed(0)
    module, x = nn.LSTM(64, options.hidden), torch.randn(options.steps, STREAMS, 64)
    print(f"{options.hidden} units, {options.steps} steps × {STREAMS} streams, {torch.get_num_threads()} threads\n")
    print("| method | fused engine, s | block by block, s |\n| --- | --- | --- |")
    print(f"| truncated BPTT, L = {MEAN} | {epoch(module, x, artbp.tbptt(length=MEAN)):.2f} | |")
    for every in (1, 5, 10):
        scheme = artbp.artbp(length=MEAN, alpha=4, every=every)
        fused = epoch(module, x, scheme)
        blocks = epoch(lambda inputs, state: module(inputs, state), x, scheme)
        print(f"| ARTBP, every = {every} | {fused:.2f} | {blocks:.2f} |")


def epoch(module: Any, x: Tensor, scheme: artbp.Scheme) -> float:
    """Seconds for one pass, forward and backward, the quicker of two."""
    took = []
    for _ in range(2):
        began, state = time.perf_counter(), None
        for start, segment in scheme.segments(len(x), np.random.default_rng(0)):
            outputs, state = artbp.unroll_blocks(module, x[start : start + segment.length], state, segment)
            outputs.square().sum().backward()
            state = artbp.detach(state)
        took.append(time.perf_counter() - began)
    return min(took)


if __name__ == "__main__":
    main()
