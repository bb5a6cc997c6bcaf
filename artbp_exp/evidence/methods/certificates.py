"""Claims from the certificates: what every method says of its mean gradient, and whether it was borne out."""

from collections.abc import Iterator
from pathlib import Path

from artbp_exp.evidence.claims.claim import Claim, judged
from artbp_exp.evidence.claims.exact import SWEEP, WORDS
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import bare

SAYS = (
    ("unbiased, exactly", "exact", "whose gradient is unbiased, exactly, has full BPTT's gradient as its mean"),
    ("unbiased in mean over signs", "signs", "that draws signs has full BPTT's gradient as its mean over all patterns"),
    (
        "unbiased for the smoothed loss",
        "smoothed",
        "that smooths its loss has the smoothed loss's gradient as its mean",
    ),
    ("biased", "biased", "that says it is biased, is"),
)
"""(Claim of a method, key of its row, the claim in words.)"""


def certificate_claims(results: Path) -> Iterator[Claim]:
    """A row for each thing that a method can say of its gradient, from `results/verify/everything.csv`."""
    table = read(results / SWEEP, ("relative_bias",), words=WORDS)
    for says, key, words in SAYS:
        rows = None if table is None or "claim" not in table else table[table["claim"] == says]
        if rows is not None:
            rows = rows[~rows["engine"].str.startswith("broken: ") & rows["relative_bias"].notna()]
        missing = rows is None or rows.empty
        agree = 0 if rows is None else int((rows["verdict"] == rows["expected"]).sum())
        names = [] if rows is None else sorted({label.split()[0] for label in rows["method"]})
        yield Claim(
            key=f"certificate_{key}",
            claim=f"Every method {words}",
            quantity="relative bias of the mean gradient; a point for each combination of method, model and engine",
            found=None if rows is None or rows.empty else bare(rows["relative_bias"].tolist()),
            unit="combinations",
            verdict=judged(rows is not None and agree == len(rows), missing=missing),
            note="" if rows is None or rows.empty else f"{agree} of {len(rows)} confirmed; methods: {', '.join(names)}",
        )
