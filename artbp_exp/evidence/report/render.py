"""The report as Markdown, and as one HTML file that needs no other."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from artbp_exp.evidence.claims.claim import FAILS, HOLDS, MEASURED, NOT_YET, OPEN, Claim, interval, number
from artbp_exp.evidence.report.answers import answers

VERDICTS = {
    HOLDS: "what was measured agrees with the claim",
    FAILS: "what was measured contradicts the claim",
    OPEN: (
        "a test at 5 % does not reject 0, or would not with a repeated run in the place of the run that it repeats, or "
        "there is one seed and no noise to hold it against, or ARTBP diverged on a seed, or the errors are too large"
    ),
    MEASURED: "a quantity is given, and nothing is claimed of it",
    NOT_YET: "runs are missing; the row says which",
}
HOW = (
    "n: how many points a row rests on, and what they are. The estimate is the median of the points, and its "
    "interval is 95 %, by bootstrap (BCa, 9999 resamples). On Penn Treebank it is a difference of means, with the "
    "interval of a t-test whose noise is pooled over all methods and states of an experiment; a run that was run "
    "again with other rounding is one more replicate. In the authors' setting an arm has one run or two, and the noise "
    "is mostly that of the authors' logged runs; two arms are compared at the last epoch that both have, and a verdict "
    "stands where the mean of the last quarter of the epochs up to it gives the same. Elsewhere the end point is one "
    "and fixed: the mean validation bits per character over the last quarter of the epochs, rounded up. It was chosen "
    "after the committed runs had been seen and before any later one. These tests are adjusted together, by Holm's "
    "method."
)
ABOUT_LOGS = (
    "Training logs published with the authors' code: their cell, 1000 units, the state "
    "reset at every cut; validation bits per character at the end of each epoch, mean ± sd of five runs of each "
    "method at B = 64, and single runs at B = 32. Not measured here."
)
PAPER, CODE = "https://arxiv.org/abs/1705.08209", "https://github.com/ctallec/bigart"
NOT_SETTLED, CURVES, READING = "Not settled", "The authors' curves", "How to read the rows"
MOST = 10
"""Points of a row that are listed one by one."""

Table = Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure as the pages show it.

    Attributes:
        path: of its PNG, relative to the results folder.
        png: its bytes.
        caption: in words.
    """

    path: Path
    png: bytes
    caption: str

    @property
    def data(self) -> str:
        """The picture as the address of an image."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading of the report.

    Attributes:
        heading: in words.
        claims: its rows, settled or not.
        figures: that stand under it.
        commands: that made them.
        sources: the records, relative to the results folder.
    """

    heading: str
    claims: Sequence[Claim]
    figures: Sequence[Drawn]
    commands: Sequence[str]
    sources: Sequence[str]

    @property
    def absent(self) -> list[Claim]:
        """Its rows that are not yet measured."""
        return [claim for claim in self.claims if claim.verdict == NOT_YET]

    @property
    def open(self) -> int:
        """How many of its rows are not settled."""
        return sum(claim.verdict == OPEN for claim in self.claims)


def render(name: str, sections: Sequence[Section], logs: Table) -> str:
    """A page.

    Args:
        name: of the page, `report.md` or `report.html`, whose template stands beside this file.
        sections: in order.
        logs: the authors' curves, the first row being the head; empty where there are none.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "interval": interval, "cell": _cell, "points": _points, "slug": slug}
    claims = [claim for section in sections for claim in section.claims]
    headings = [section.heading for section in sections]
    headings += [NOT_SETTLED] * any(section.open for section in sections) + [CURVES] * bool(logs) + [READING]
    return environment.get_template(f"{name}.j2").render(
        sections=sections,
        answers=answers(claims),
        tally=tally(claims),
        open=[claim for claim in claims if claim.verdict == OPEN],
        verdicts=VERDICTS,
        logs=logs,
        how=HOW,
        about_logs=ABOUT_LOGS,
        contents=headings,
        paper=PAPER,
        code=CODE,
        OPEN=OPEN,
        MEASURED=MEASURED,
        NOT_YET=NOT_YET,
        kinds={HOLDS: "holds", FAILS: "not"},
        style=(Path(__file__).parent / "report.css").read_text(encoding="utf-8"),
    )


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def tally(claims: Sequence[Claim]) -> str:
    """How many rows came out how, the paper's claims apart from this project's."""
    parts = []
    for who, paper in (("The paper's claims (one read off the authors' own logs)", True), ("this project's", False)):
        verdicts = [claim.verdict for claim in claims if claim.paper == paper]
        counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts]
        parts.append(f"{who}: {', '.join(counts)}")
    return "; ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "∣")


def _points(claim: Claim) -> str:
    assert claim.found is not None
    shown = [number(point) for point in claim.found.points]
    return ", ".join(shown) if len(shown) <= MOST else f"{shown[0]} … {shown[-1]} ({len(shown)} points)"
