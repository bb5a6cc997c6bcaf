"""Peak memory and time of one long segment, each in a process of its own."""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.bench.contestants import STREAMS, VOCABULARY, RandomText
from artbp_exp.methods import SegmentMethod
from artbp_exp.runs.provenance import peak_memory
from artbp_exp.truncation import Segment, bptt

ENGINE = "fused"


def long_segment(*, steps: int, memory: int | None, hidden: int) -> dict[str, Any]:
    """Peak bytes above the model's own, and seconds, for one segment of the fused engine; in a fresh process."""
    case = {"steps": steps, "memory": memory, "hidden": hidden}
    program = [sys.executable, "-m", __name__, json.dumps(case)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return case | {"engine": ENGINE} | measured


def main(*, steps: int, memory: int | None, hidden: int) -> None:
    """Measures one case and prints it as JSON."""
    torch.set_num_threads(1)
    model = registry.build(
        "model",
        {"name": "lstm", "hidden_size": hidden},
        vocabulary=VOCABULARY,
        generator=torch.Generator().manual_seed(0),
    )
    method = SegmentMethod(model=model, scheme=bptt.build(), engine=ENGINE)
    text = RandomText(torch.device("cpu"))

    def run(steps: int, memory: int | None) -> None:
        model.zero_grad()
        inputs, targets = text.window(0, steps)
        segment = Segment(length=steps, factors=np.full(steps - 1, 1.01), memory=memory)
        method.advance(model.init_state(STREAMS), segment, inputs, targets, text.loss, ends=True)

    # libraries, compiled kernels and gradients are there before the count begins
    run(8, None if memory is None else 4)
    before = peak_memory(torch.device("cpu"))
    started = time.perf_counter()
    run(steps, memory)
    seconds = time.perf_counter() - started
    print(json.dumps({"peak_bytes": peak_memory(torch.device("cpu")) - before, "seconds": seconds}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
