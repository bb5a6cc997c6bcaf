"""Puts the report together."""

from collections.abc import Iterator
from io import BytesIO
from itertools import groupby
from pathlib import Path

from PIL import Image

from artbp_exp.errors import UserError
from artbp_exp.evidence import authors
from artbp_exp.evidence.claims.claim import Claim
from artbp_exp.evidence.experiment import Experiment, nothing
from artbp_exp.evidence.experiments import EXPERIMENTS
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.report.render import Drawn, Section, render
from artbp_exp.files import writing

PAGES = ("report.md", "report.html")
COLORS = 128
"""Of a figure inside the HTML page: lines and labels look the same, in a third of the bytes."""

SINGLE = ((32, 2), (32, 0))
"""Batch size and forget bias of the logged runs without replicates."""


REPORTED = [experiment for experiment in EXPERIMENTS if experiment.claims is not nothing]


def write_report(results: Path) -> tuple[list[Claim], list[Path]]:
    """Writes `report.md` and `report.html` into `results`, and the figures that they show.

    Returns:
        The claims, and the pages written.

    Raises:
        UserError: the folder has none of the evidence, or cannot be written.
    """
    sources = list(dict.fromkeys(source for each in REPORTED for source in each.records))
    if not any((results / source).exists() for source in sources):
        raise UserError(
            f"{results} holds none of this repository's evidence ({', '.join(sources)}), so there is nothing to "
            f"report; for runs of your own: artbp-figures curves {results}, artbp-collect {results}"
        )
    sections, logs = list(_sections(results)), _logs(results)
    for name in PAGES:
        with writing(results / name, "free the disk, or name another folder"):
            (results / name).write_text(render(name, sections, logs), encoding="utf-8")
    return [claim for section in sections for claim in section.claims], [results / name for name in PAGES]


def _sections(results: Path) -> Iterator[Section]:
    for heading, members in groupby(REPORTED, key=lambda experiment: experiment.heading):
        experiments = list(members)
        claims = [claim for experiment in experiments for claim in experiment.claims(results)]
        commands = [command for experiment in experiments for command in experiment.all_commands(results)]
        figures = [drawn for experiment in experiments for drawn in _drawn(results, experiment)]
        sources = dict.fromkeys(s for each in experiments for s in each.records if (results / s).exists())
        yield Section(
            heading=heading,
            claims=claims,
            figures=figures,
            commands=list(dict.fromkeys(commands)),
            sources=list(sources),
        )


def _drawn(results: Path, experiment: Experiment) -> Iterator[Drawn]:
    for picture in experiment.figures:
        figure = picture.draw(results) if picture.caption else None
        if figure is not None:
            file = save(figure, results / picture.file)[0]
            yield Drawn(path=file.relative_to(results), png=with_palette(file.read_bytes()), caption=picture.caption)


def with_palette(png: bytes) -> bytes:
    """The picture in `COLORS` colours."""
    out = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").quantize(COLORS).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _logs(results: Path) -> list[list[str]]:
    """The authors' curves: validation bpc of each method at each epoch."""
    table = authors.logs(results)
    if table.empty:
        return []
    names = ("ARTBP", "truncated BPTT")
    single = [f"{name}, B = {batch}, forget bias {bias}" for batch, bias in SINGLE for name in names]
    rows = [["epoch", "ARTBP, B = 64", "truncated BPTT, B = 64", *single]]
    for epoch in sorted(table["epoch"].unique()):
        many = authors.at_epoch(table, epoch)
        cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in (many[method] for method in ("artbp", "tbptt"))]
        here = table[table["epoch"] == epoch].set_index(["batch_size", "forget_bias", "method"])["valid_bpc"]
        cells += [f"{here.loc[[(*setting, method)]].mean():.3f}" for setting in SINGLE for method in ("artbp", "tbptt")]
        rows.append([str(epoch), *cells])
    return rows
