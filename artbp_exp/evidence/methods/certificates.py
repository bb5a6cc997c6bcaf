"""Claims from the certificates: what every method says of its mean gradient, and whether it was borne out."""

from collections.abc import Iterator
from pathlib import Path

from artbp_exp.evidence.claims.claim import Claim
from artbp_exp.evidence.claims.exact import COLUMNS, SWEEP, WORDS
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
    table = read(results / SWEEP, ("claim", *COLUMNS), words=("claim", *WORDS))
    table = table[~table["engine"].str.startswith("broken: ") & table["relative_bias"].notna()]
    for says, key, words in SAYS:
        claim = Claim(
            key=f"certificate_{key}",
            claim=f"Every method {words}",
            quantity="relative bias of the mean gradient; a point for each combination of method, model and engine",
            unit="combinations",
        )
        rows = table[table["claim"] == says]
        if len(rows):
            agree = int((rows["verdict"] == rows["expected"]).sum())
            names = sorted({label.split()[0] for label in rows["method"]})
            note = f"{agree} of {len(rows)} confirmed; methods: {', '.join(names)}"
            claim = claim.measured(bare(rows["relative_bias"]), agree == len(rows), note)
        yield claim
