"""Puts the report together."""

from io import BytesIO
from pathlib import Path

import pandas as pd
from PIL import Image

from artbp_exp.errors import UserError
from artbp_exp.figures.common import save
from artbp_exp.report.claim import Claim
from artbp_exp.report.diagnosis_claims import diagnosis_claims
from artbp_exp.report.exact_claims import exact_claims, read
from artbp_exp.report.length_claims import length_claims
from artbp_exp.report.page import markdown, page
from artbp_exp.report.pictures import pictures
from artbp_exp.report.ptb_claims import ptb_claims
from artbp_exp.report.synthetic_claims import synthetic_claims


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
        UserError: there is no such folder, or it cannot be written.
    """
    if not results.is_dir():
        raise UserError(f"results={results} is not a folder; name the one that holds the CSVs with --results")
    claims = all_claims(results)
    linked, embedded = [], []
    for picture in pictures(results):
        if picture.figure is None:
            file = (results / picture.name).with_suffix(".png")
        else:
            file = save(picture.figure, results / "figures" / picture.name)[0]
        linked.append((picture.name, file.relative_to(results), picture.caption))
        embedded.append((picture.name, with_palette(file.read_bytes()), picture.caption))
    authors = _authors(read(results / "authors" / "ptb_epochs.csv"))
    texts = {"report.md": markdown(claims, linked, authors), "report.html": page(claims, embedded, authors)}
    for name, text in texts.items():
        try:
            (results / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {results / name}: {error.strerror}") from error
    return claims, [results / name for name in texts]


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
