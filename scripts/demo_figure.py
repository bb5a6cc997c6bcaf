"""Draws the demo's figure from its runs, and says for each whether it reached θ*."""

from pathlib import Path

from artbp_exp.evidence.figures import influence_balancing
from artbp_exp.evidence.figures.common import arms, label, save
from artbp_exp.runs.load import load_runs

FOLDER = Path("results/runs/demo")


def main() -> None:
    """Prints |θ − θ*| of every arm's seeds and saves the figure."""
    runs = load_runs(FOLDER)
    for which, members in arms(runs).items():
        off = [abs(run.summary["theta"] - run.summary["theta_optimal"]) for run in members]
        verdict = "reached θ* on every seed" if max(off) < 1e-3 else "ran away from θ*"
        name = label(which).replace("$", "")
        print(f"{name}: |θ − θ*| from {min(off):.1e} to {max(off):.1e} over {len(off)} seeds: {verdict}")
    print(f"figure: {save(influence_balancing(runs), FOLDER / 'influence_balancing')[0]}")


if __name__ == "__main__":
    main()
