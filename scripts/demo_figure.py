"""Draws the demo's figure from its runs, and says for each method whether it reached θ*."""

from pathlib import Path

from artbp_exp.evidence.figures.common import arms, plain, save
from artbp_exp.evidence.figures.influence_balancing import influence_balancing
from artbp_exp.evidence.optimum import off, reached
from artbp_exp.runs.load import load_runs

FOLDER = Path("results/runs/demo")


def main() -> None:
    """Prints |θ − θ*| of every method's seeds and saves the figure."""
    runs = load_runs(FOLDER)
    for which, members in arms(runs).items():
        ends = list(map(off, members))
        near = sum(map(reached, members))
        print(
            f"{plain(which)}: |θ − θ*| from {min(ends):.1e} to {max(ends):.1e} over {len(ends)} seeds: "
            f"{near} of {len(ends)} reached θ*"
        )
    print(f"figure: {save(influence_balancing(runs), FOLDER / 'influence_balancing')[0]}")


if __name__ == "__main__":
    main()
