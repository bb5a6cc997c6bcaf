"""Puts the report together."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pandas as pd
from PIL import Image

from artbp_exp.errors import UserError
from artbp_exp.evidence.claim import Claim
from artbp_exp.evidence.diagnosis_claims import GROUP as DIAGNOSIS
from artbp_exp.evidence.diagnosis_claims import diagnosis_claims
from artbp_exp.evidence.exact_claims import exact_claims
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.length_claims import length_claims
from artbp_exp.evidence.page import Drawn, markdown, page
from artbp_exp.evidence.pictures import PICTURES, diagnosis_pictures
from artbp_exp.evidence.ptb_claims import ptb_claims
from artbp_exp.evidence.ptb_runs import TIERS
from artbp_exp.evidence.read import AUTHORS, read
from artbp_exp.evidence.synthetic_claims import synthetic_claims

EVIDENCE = (
    "verify/everything.csv",
    "influence_balancing",
    "learning_rates",
    "phase_diagram",
    "phase_sizes",
    "diagnose/synthetic",
    "diagnose/ptb",
    *(tier.name for tier in TIERS),
)
"""What the report is made of, below the results folder; any of it is a beginning."""


def all_claims(results: Path) -> list[Claim]:
    """Every row of the table, in order."""
    return [
        *exact_claims(results),
        *synthetic_claims(results),
        *length_claims(results),
        *diagnosis_claims(results),
        *ptb_claims(results),
    ]


def write_report(results: Path) -> tuple[list[Claim], list[Path]]:
    """Writes `report.md` and `report.html` into `results`, and the figures into `results/figures`.

    Returns:
        The claims, and the files written.

    Raises:
        UserError: there is no such folder, it has none of the evidence, or it cannot be written.
    """
    if not results.is_dir():
        raise UserError(f"results={results} is not a folder; name the one that holds the CSVs with --results")
    if not any((results / mark).exists() for mark in EVIDENCE):
        raise UserError(
            f"{results} holds none of this repository's evidence ({', '.join(EVIDENCE)}), so there is nothing to "
            f"report; for runs of your own: artbp-figures curves --results {results}, artbp-collect {results}"
        )
    claims, figures = all_claims(results), list(_drawn(results))
    authors = _authors(read(results / "authors" / "ptb_epochs.csv", AUTHORS, words=("method",)))
    texts = {"report.md": markdown(claims, figures, authors), "report.html": page(claims, figures, authors)}
    for name, text in texts.items():
        try:
            (results / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {results / name}: {error.strerror}") from error
    return claims, [results / name for name in texts]


def _drawn(results: Path) -> Iterator[Drawn]:
    for picture in PICTURES:
        figure = picture.draw(results) if picture.group else None
        if figure is not None:
            yield _shown(results, save(figure, results / "figures" / picture.name)[0], picture.group, picture.caption)
    for file, caption in diagnosis_pictures(results):
        yield _shown(results, file, DIAGNOSIS, caption)


def _shown(results: Path, file: Path, group: str, caption: str) -> Drawn:
    return Drawn(group=group, path=file.relative_to(results), png=with_palette(file.read_bytes()), caption=caption)


def with_palette(png: bytes) -> bytes:
    """The picture in 128 colours: lines and labels look the same, in a third of the bytes."""
    out = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").quantize(128).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _authors(table: pd.DataFrame | None) -> list[list[str]]:
    """Valid bits per character of each method at each epoch, mean ± sd."""
    if table is None:
        return []
    rows = [["epoch", "ARTBP", "truncated BPTT"]]
    for epoch in sorted(table["epoch"].unique()):
        by = table[table["epoch"] == epoch].set_index("method")
        cells = [f"{by.loc[m, 'valid_bpc_mean']:.3f} ± {by.loc[m, 'valid_bpc_sd']:.3f}" for m in ("artbp", "tbptt")]
        rows.append([str(epoch), *cells])
    return rows
