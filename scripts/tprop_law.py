"""TPROP's bias against the strength λ of its springs, on influence balancing: results/methods_tprop/law.csv.

python scripts/tprop_law.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.methods import make_method
from artbp_exp.models import linear
from artbp_exp.tasks import synthetic
from artbp_exp.training.gradient import TaskLoop, gradient
from artbp_exp.verification.oracle import full_bptt

OUT = Path("results/methods_tprop/law.csv")
STEPS, BLOCK = 30, 5
STRENGTHS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
SOLVED = {"name": "tprop", "solver": "penalty", "length": BLOCK, "blocks": STEPS // BLOCK, "rounds": 1}
"""With enough descent steps the free states are solved for."""

DESCENT = 400


def main() -> None:
    """Relative error of the gradient for each λ, and truncated BPTT's beside it."""
    task = synthetic.build(size=5, positive=2, steps=STEPS)
    model = linear.LinearSystem(size=5, positive=2, theta=0.5)
    wanted = float(full_bptt(model, task).gradient["theta"])

    def error(settings: dict[str, object]) -> float:
        method = make_method(settings, model=model, task=task)
        draws = [draw for _, draw in method.draws(STEPS, np.random.default_rng(0))]
        found = gradient(TaskLoop(task=task, method=method, trainables=model), draws).gradient["theta"]
        return abs(float(found) / wanted - 1)

    rows = [{"method": f"tbptt length={BLOCK}", "error": error({"name": "tbptt", "length": BLOCK})}]
    rows += [
        {
            "method": "tprop",
            "strength": strength,
            "error": error(SOLVED | {"strength": strength, "state_steps": DESCENT}),
        }
        for strength in STRENGTHS
    ]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(OUT, index=False)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
