"""What the segments that a run drew cost, from its `segments.csv`."""

from artbp_exp.runs.load import Run


def steps_per_segment(run: Run) -> float:
    """Mean length, in steps: Σ N / number of segments."""
    drawn = run.segments()
    return float((drawn["length"] * drawn["count"]).sum() / drawn["count"].sum())


def stored_steps(run: Run) -> float:
    """Mean number of stored steps over time: Σ N(N − 1)/2 / Σ N."""
    drawn = run.segments()
    length, count = drawn["length"], drawn["count"]
    return float((length * (length - 1) / 2 * count).sum() / (length * count).sum())
