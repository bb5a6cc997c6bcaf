"""Figure: the segment lengths that were drawn, against the distribution they were drawn from."""

import numpy as np
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import color_of, house_style, shade
from artbp_exp.runs.load import Run
from artbp_exp.truncation.artbp import build

SCHEME = ("length", "schedule", "alpha", "every")
"""Settings that the distribution of lengths depends on."""


@house_style
def segment_lengths(runs: list[Run]) -> Figure:
    """P(length > n): drawn (steps) and theoretical (line), log-log, a pair for each run's scheme.

    Runs with one scheme are put together, each seed's draws once. Those that the end of the data closed are among them.
    """
    figure = Figure()
    axes = figure.subplots()
    groups: dict[str, list[Run]] = {}
    for run in runs:
        method = run.config["method"]
        tail = f"α = {method['alpha']:g}" if method["schedule"] == "paper" else "constant hazard"
        groups.setdefault(f"$L_0$ = {method['length']:g}, {tail}", []).append(run)
    for index, (name, members) in enumerate(sorted(groups.items())):
        counts = sum_of_counts(independent(members))
        lengths, drawn = np.arange(counts.size), 1.0 - np.cumsum(counts) / counts.sum()
        settings = members[0].config["method"]
        scheme = build(**{key: settings[key] for key in SCHEME if key in settings})
        color, seen = shade(color_of("artbp"), index, len(groups)), drawn > 0
        axes.step(
            lengths[1:][seen[1:]],
            drawn[1:][seen[1:]],
            where="post",
            color=color,
            linewidth=2.6,
            alpha=0.4,
            label=f"{name}: drawn ({counts.sum():,.0f} segments, longest {lengths[-1]})",
        )
        theory = scheme.survival(int(lengths[-1]))[1:]
        name = f"{name}: theory (mean {settings['length']:g})"
        axes.plot(lengths[1:], theory, color=color, linestyle="--", linewidth=1.0, label=name)
    axes.set(xscale="log", yscale="log", ylim=(1e-9, 2))
    axes.set(xlabel="segment length n (steps)", ylabel="P(length > n)", title="Segment lengths")
    axes.legend(loc="lower left")
    return figure


def independent(runs: list[Run]) -> list[Run]:
    """Of the runs of each seed the one that drew most: cuts follow from the seed, the others drew the same again."""
    by_seed: dict[int, Run] = {}
    for run in sorted(runs, key=lambda run: int(run.segments()["count"].sum())):
        by_seed[run.config["seed"]] = run
    return list(by_seed.values())


def sum_of_counts(runs: list[Run]) -> np.ndarray:
    """How often each length (the index) was drawn in these runs together."""
    tables = [run.segments() for run in runs]
    counts = np.zeros(max(int(table["length"].max()) for table in tables) + 1)
    for table in tables:
        counts[table["length"].to_numpy()] += table["count"].to_numpy()
    return counts
