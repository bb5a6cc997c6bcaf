"""Cost per step against the sequence's length and against the mean segment length; the synthetic task's rate."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from artbp_exp.bench.contestants import ARTBP, STREAMS, TBPTT, ours
from artbp_exp.bench.timing import Rates, interleaved, rows
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment

HIDDEN = 64


def sequence_lengths(lengths: list[int], *, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Symbols per second for sequences of so many steps, ARTBP fused: flat, as nothing grows with the sequence."""
    turns = {
        str(length): partial(ours(method=ARTBP, engine="fused", hidden=HIDDEN, device=device), length)
        for length in lengths
    }
    for row in rows(interleaved(turns, repeats=repeats, label="sequence length", scale=STREAMS), hidden=HIDDEN):
        yield {"sequence_length": int(row.pop("contestant")), **row}


def mean_lengths(lengths: list[int], *, repeats: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Symbols per second against the mean segment length: shorter segments mean more updates."""
    turns = {
        f"{method['name']} {length}": partial(
            ours(method=method | {"length": length}, engine="fused", hidden=HIDDEN, device=device), 3000
        )
        for length in lengths
        for method in (ARTBP, TBPTT)
    }
    for row in rows(interleaved(turns, repeats=repeats, label="mean length", scale=STREAMS), hidden=HIDDEN):
        method, length = row.pop("contestant").split()
        yield {"method": method, "mean_length": int(length), **row}


def synthetic(config: RunConfig, steps: int, repeats: int) -> Rates:
    """Online steps per second of influence balancing, one seed, by the closed form and by the plain engine."""

    def turn(engine: str, steps: int) -> Callable[[], float]:
        def run() -> float:
            experiment = Experiment(replace(config, engine=engine, task=config.task.but(steps=steps)))
            for _ in experiment.train():
                pass
            return float(steps)

        return run

    turns = {"fused": turn("fused", steps), "plain": turn("plain", max(1, steps // 500))}
    return interleaved(turns, repeats=repeats, label="synthetic")


def startup(repeats: int) -> Rates:
    """`artbp-run --help` against importing torch and hydra, in starts per second."""

    def turn(*command: str) -> Callable[[], float]:
        def run() -> float:
            subprocess.run(command, capture_output=True, check=True)
            return 1.0

        return run

    program = str(Path(sys.executable).with_name("artbp-run"))
    turns = {"artbp-run --help": turn(program, "--help"), "import": turn(sys.executable, "-c", "import torch, hydra")}
    return interleaved(turns, repeats=repeats, label="start")
